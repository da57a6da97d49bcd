"""What a kind of trial is: settings a user writes, and what whoever runs it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import Field

from infra.objective import Cron, ObjectiveSettings
from infra.plan.trial_types import ToolPlan
from infra.problems import Problem
from infra.settings import Settings


class TrialSettings(Settings):
    """Base of every trial's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any = Field(description="What is tried, and how.")
    client: str | None = Field(
        default=None,
        description="The client that asks, with its limits and rules; unset, the only one that may use the model.",
    )
    schedule: Cron | None = Field(
        default=None,
        description="When clusters run it by themselves, in UTC, as cron has it; unset, when somebody asks for it.",
    )


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What is known of the model that is tried: its name, what it must reach, and how long its requests may be."""

    name: str
    objective: ObjectiveSettings | None
    context_tokens: int
    longest_answer_tokens: int


class TrialKind(Protocol):
    """One kind of trial. Pure: it says what is tried and tries nothing."""

    @property
    def settings(self) -> type[TrialSettings]: ...

    def problems(self, where: str, settings: Any, model: Tried) -> Iterator[Problem]:
        """What types and names alone cannot tell."""
        ...

    def requests_per_minute(self, settings: Any, model: Tried) -> float | None:
        """How many its client must be allowed; None where the answers' own pace decides."""
        ...

    def trial(self, settings: Any, model: Tried) -> Mapping[str, Any]:
        """The part `trial` of what `serving.trials` reads."""
        ...

    def tool(self, settings: Any, model: Tried) -> ToolPlan | None:
        """What asks the model, where that is not `serving.trials` itself."""
        ...

    def holds(self, trial: Mapping[str, Any]) -> tuple[str, ...]:
        """What must hold, a phrase each, for a reader of the plan."""
        ...
