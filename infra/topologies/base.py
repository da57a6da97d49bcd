"""What a topology is: settings a user writes, and a pure `place` from models and sites to placements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from infra.plan.types import Placement
from infra.problems import Problem
from infra.settings import Settings


class TopologySettings(Settings):
    """Base of every topology's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any


class Topology(Protocol):
    """One way to spread models over sites. Pure."""

    @property
    def settings(self) -> type[TopologySettings]: ...

    def problems(self, where: str, settings: Any, sites: Sequence[str], models: Sequence[str]) -> Iterator[Problem]:
        """Why these sites and models cannot be this topology, each with what is missing."""
        ...

    def place(self, settings: Any, sites: Sequence[str], models: Sequence[str]) -> tuple[Placement, ...]:
        """Which model runs where and how often. Called only when there is no problem."""
        ...
