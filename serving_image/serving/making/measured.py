"""What was measured of one version: right answers, and how it goes on at places of a text."""

from __future__ import annotations

import msgspec


class Unmeasured(Exception):
    """A version that could not be measured; the text says why, in one line."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """`wrong` are the cases whose answers were not right; `bytes` all its files together. `continuations` are
    compared and not kept."""

    right_percent: float
    cases: int
    wrong: list[str]
    errors: dict[str, int]
    continuations: list[str]
    bytes: int

    @property
    def kept(self) -> dict[str, object]:
        """For the record."""
        found = msgspec.to_builtins(self)
        del found["continuations"]
        return found
