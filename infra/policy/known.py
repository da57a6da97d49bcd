"""A resource's properties as a policy pack gets them, as plain data: what is not known yet raises where it is used.

Pulumi then says that this rule could not be checked in this preview; the update checks it with the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, cast

# Of an extra that most have not installed, and without types.
UnknownValueError: Any = import_module("pulumi_policy.proxy").UnknownValueError


class Known(dict[str, Any]):
    """A map whose unknown values raise when they are read."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        super().__init__()
        self._unknown: dict[str, Exception] = {}
        for key in found:
            try:
                super().__setitem__(key, known(found[key]))
            except UnknownValueError as error:
                super().__setitem__(key, None)
                self._unknown[key] = error

    def __getitem__(self, key: str) -> Any:
        if key in self._unknown:
            raise self._unknown[key]
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As of any map; unknown is not the default."""
        return self[key] if key in self else default  # noqa: SIM401 - it is this method

    def items(self) -> Iterator[tuple[str, Any]]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As of any map."""
        return ((key, self[key]) for key in self)

    def values(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As of any map."""
        return (self[key] for key in self)


def known(value: Any) -> Any:
    """Plain data: whole numbers as such."""
    if isinstance(value, Mapping):
        return Known(cast(Mapping[str, Any], value))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [known(inner) for inner in cast(Sequence[Any], value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value
