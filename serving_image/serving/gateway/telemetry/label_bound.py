"""Bounds how many values a metric's label can have: the first so many get their name, all others are `other`."""

from __future__ import annotations

from collections.abc import Iterable

OTHER = "other"


class LabelBound:
    """Which clients have a label of their own: in the order of the configuration, so that all gateways agree.

    A name that has a label keeps it for the life of the process, also when it leaves the configuration: its series
    are there, and giving its place to another on every reload would let labels grow without bound after all.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._named: set[str] = set()

    def adopt(self, limit: int, names: Iterable[str]) -> None:
        """At the start and after a reload."""
        self._limit = limit
        for name in names:
            self.label(name)

    def label(self, name: str) -> str:
        """The value to use for `name`."""
        if name in self._named:
            return name
        if len(self._named) >= self._limit:
            return OTHER
        self._named.add(name)
        return name
