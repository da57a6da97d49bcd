"""What an engine is: settings a user writes, and a pure `render` from what is wanted to how it is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from infra.plan.types import ContainerSpec, Weights
from infra.problems import Problem
from infra.settings import Settings


class EngineSettings(Settings):
    """Base of every engine's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """What a model wants of an engine, in words that every engine shares.

    `host`, `port`, `weights_path`, `key_file` and `threads` (for settings that name none) are what the platform gives
    the process: fixed values in a container, placeholders that the launcher fills where ports are chosen at start.
    `where` is the model's path in the configuration, for problems.
    """

    where: str
    model: str
    settings: Any
    task: str
    context_tokens: int
    concurrent_requests: int
    weights: Weights
    host: str
    port: str
    weights_path: str
    key_file: str
    threads: str


class Engine(Protocol):
    """One kind of engine. Pure: it renders and refuses, it runs nothing."""

    @property
    def settings(self) -> type[EngineSettings]: ...

    def problems(self, request: EngineRequest) -> Iterator[Problem]:
        """What this engine cannot do of what is wanted, each with what can."""
        ...

    def render(self, request: EngineRequest) -> ContainerSpec:
        """How one replica is run. Called only for requests without problems."""
        ...
