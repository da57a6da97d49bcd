"""What making a version is: settings a user writes, what is run with what, and what must hold of the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import Field

from infra.engines.base import Capabilities
from infra.objective import AcceleratorSettings
from infra.plan.making_types import MakingWork
from infra.plan.types import Weights
from infra.problems import Problem
from infra.settings import Name, Settings


class MakingSettings(Settings):
    """Base of every making's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any = Field(description="How the new version is made.")
    version: Name = Field(description="What the new version is called; one of this name is not made again.")
    evaluation: Name = Field(
        description="The evaluation of the model, a name below `evaluations`, that the original and the result are "
        "both given."
    )
    at_most_loss_percent: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Of a hundred answers, how many fewer may be right than of the original; else the result is "
        "removed.",
    )


@dataclass(frozen=True, kw_only=True)
class MakingRequest:
    """The model that a version is made of, with what its engine can do; `streamed` where that reads weights out of a
    bucket by itself, `in_a_bucket` where whoever fetches them needs an identity that a bucket knows."""

    model: str
    engine: str
    capabilities: Capabilities
    weights: Weights
    accelerator: AcceleratorSettings | None
    quantization: str | None
    streamed: bool
    in_a_bucket: bool = False


class MakingKind(Protocol):
    """One kind of making. Pure: it says what is made of what, and makes nothing."""

    @property
    def settings(self) -> type[MakingSettings]: ...

    def problems(self, where: str, settings: Any, request: MakingRequest) -> Iterator[Problem]:
        """What types and names alone cannot tell."""
        ...

    def work(self, settings: Any, request: MakingRequest) -> MakingWork:
        """What is run, of a request without problems."""
        ...
