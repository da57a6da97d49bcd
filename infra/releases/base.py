"""What a kind of release is: settings a user writes, and the rules that gateways and the judge follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from pydantic import Field

from infra.plan.trial_types import TrialPlan
from infra.problems import Problem
from infra.settings import Name, Settings

# The file that says how far releases are; a contract test holds it against the judge's.
FILE = "released.json"


class AbortSettings(Settings):
    """What ends a release. Each limit is tested so that looking often is no way to be wrong: a version at half of it
    passes, one at all of it does not. Where the old version itself is over a limit, the new one may be as bad as it."""

    error_rate_percent: float = Field(
        default=2.0, ge=0.01, le=90, description="Failed answers of the new version, in percent of its answers."
    )
    time_to_first_token_p95_seconds: float | None = Field(
        default=None,
        ge=0.001,
        le=3600,
        description="The 95th percentile of the time to the first token of its streams, in seconds; unset, it is not "
        "judged. A release waits until there are enough streams.",
    )
    evaluation: Name | None = Field(
        default=None,
        description="An evaluation of the kind `prompts`, of this model or of the candidate: before each step the "
        "candidate itself is asked its questions, and rolled back where fewer than `at_least_percent` are right; where "
        "some stay unanswered and would decide, it waits. Unset, nothing is asked.",
    )


class ReleaseSettings(Settings):
    """Base of every release's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any = Field(description="How the other model comes to serve.")
    candidate: str = Field(min_length=1, description="The model of this deployment that is to serve instead.")
    hold_minutes: float = Field(
        default=10.0, ge=0, le=10_080, description="How long each step lasts at least, in minutes, however clear it is."
    )
    abort_on: AbortSettings = Field(
        default_factory=AbortSettings, description="What makes it roll back by itself, to nothing for the new version."
    )


class ReleaseKind(Protocol):
    """One kind of release. Pure: it says what the steps are and takes none."""

    @property
    def settings(self) -> type[ReleaseSettings]: ...

    def problems(self, where: str, settings: Any) -> Iterator[Problem]:
        """What types and names alone cannot tell."""
        ...

    def rules(self, settings: Any) -> Mapping[str, Any]:
        """What is sent to the candidate: `sends`, `steps` and what belongs to them, as the gateway's file has it."""
        ...


def released(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The rules in a gateway's file, by model."""
    return {name: model["release"] for name, model in content["models"].items() if "release" in model}


def asked(content: Mapping[str, Any], trials: Mapping[str, TrialPlan]) -> dict[str, tuple[str, TrialPlan]]:
    """By the model that is released: which candidate must pass which evaluation before each step."""
    return {
        model: (rules["candidate"], trials[rules["evaluation"]])
        for model, rules in released(content).items()
        if "evaluation" in rules
    }
