"""What load tests have in common: how long, and what must hold of the objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from infra.objective import KEPT_FOR_PERCENT, ObjectiveSettings
from infra.trials.base import TrialSettings

# What a model is asked where nothing says how large its requests are: as `ObjectiveSettings` has it.
USUAL = ObjectiveSettings(concurrent_users=1)


class LoadSettings(TrialSettings):
    """Base of every load test's settings."""

    seconds: float = Field(default=60.0, ge=1, le=86_400, description="How long requests are sent, in seconds.")
    kept_for_percent: float = Field(
        default=KEPT_FOR_PERCENT,
        ge=1,
        le=100,
        description="For how many of a hundred requests the objective's times must hold.",
    )
    at_most_errors_percent: float = Field(
        default=0.0, ge=0, le=100, description="How many of a hundred requests may fail; a refusal is a failure too."
    )


def bounds(settings: LoadSettings, objective: ObjectiveSettings | None) -> Mapping[str, Any]:
    """What must hold, as `serving.trials` reads it."""
    promised = objective or USUAL
    times = {
        "time_to_first_token_seconds": promised.time_to_first_token_seconds,
        "time_per_output_token_milliseconds": promised.time_per_output_token_milliseconds,
    }
    return {
        "percentile": settings.kept_for_percent,
        "at_most_errors_percent": settings.at_most_errors_percent,
        **{name: bound for name, bound in times.items() if bound is not None},
    }


def holding(trial: Mapping[str, Any]) -> tuple[str, ...]:
    """The same, a phrase each."""
    said = [f"{trial['at_most_errors_percent']:g} % errors at most"]
    of = f"for {trial['percentile']:g} %"
    if first := trial.get("time_to_first_token_seconds"):
        said.append(f"first token within {first:g} s {of}")
    if each := trial.get("time_per_output_token_milliseconds"):
        said.append(f"a token every {each:g} ms {of}")
    return tuple(said)
