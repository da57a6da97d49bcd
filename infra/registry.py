"""What kinds exist (platforms, topologies, engines, model sources): ours by name, others' by entry point.

A kind is one line here or, in somebody's own package, one entry point in the group `slipway.<registry>`. Nothing is
imported before it is asked for, so a stack that serves on a laptop never loads a cloud's SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Registry(Generic[Kind]):
    """The kinds of one sort of thing.

    Owns the mapping from `kind` to the object that implements it. Does not own the objects: each lives in its own
    file. `builtin` maps a kind to `module:attribute`. An entry point may add a kind, never replace one of ours.
    `settings` says where what a user writes of a kind is, where that is known without the rest of it: a schema is made
    of all kinds, and a stack has one or two.
    """

    name: str
    builtin: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @cached_property
    def _external(self) -> Mapping[str, EntryPoint]:
        found = entry_points(group=f"slipway.{self.name}")
        return {point.name: point for point in found if point.name not in self.builtin}

    def kinds(self) -> tuple[str, ...]:
        """Every known kind, ours first, in a stable order."""
        return (*self.builtin, *sorted(self._external))

    def __getitem__(self, kind: str) -> Kind:
        if kind in self.builtin:
            return cast(Kind, load_object(self.builtin[kind]))
        return cast(Kind, self._external[kind].load())

    def settings_of(self, kind: str) -> Any:
        """What a user writes of it."""
        return load_object(self.settings[kind]) if kind in self.settings else cast(Any, self[kind]).settings

    def items(self) -> tuple[tuple[str, Kind], ...]:
        """Every kind with the object that implements it; imports them all (their pure halves)."""
        return tuple((kind, self[kind]) for kind in self.kinds())


def load_object(reference: str) -> Any:
    """The object that `module:attribute` names, imported now."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)
