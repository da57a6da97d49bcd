"""Load test `requests`: requests of one size for a while, at the load and within the times of the model's objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from infra.objective import ObjectiveSettings
from infra.plan.trial_types import ToolPlan
from infra.problems import Problem
from infra.trials.base import Tried
from infra.trials.loads import USUAL, LoadSettings, bounds, holding


class RequestsSettings(LoadSettings):
    """Requests of one size for a while. What is unset is the objective's."""

    kind: Literal["requests"] = Field(description="Requests of one size, for a while.")
    requests_per_second: float | None = Field(
        default=None,
        ge=0.001,
        le=100_000,
        description="Requests that are sent in a second, at random moments; unset, the objective's.",
    )
    concurrent_users: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Users who each ask again when they are answered; unset, the objective's.",
    )
    input_tokens: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Tokens of a prompt; unset, the objective's."
    )
    output_tokens: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Longest answer, in tokens; unset, the objective's."
    )


class Requests:
    """Implements the load test `requests`."""

    settings = RequestsSettings

    def problems(self, where: str, settings: RequestsSettings, model: Tried) -> Iterator[Problem]:
        both = settings.requests_per_second is not None and settings.concurrent_users is not None
        load = _load(settings, model.objective)
        if both or not load:
            yield Problem(
                where=where,
                found="both of `requests_per_second` and `concurrent_users`"
                if both
                else "no load: neither `requests_per_second` nor `concurrent_users`, and a model without an objective",
                allowed="one of them",
                remedy="remove one of them" if both else "add one, or give the model an `objective`",
            )

    def requests_per_minute(self, settings: RequestsSettings, model: Tried) -> float | None:
        rate = _load(settings, model.objective).get("requests_per_second")
        return None if rate is None else 60 * rate

    def trial(self, settings: RequestsSettings, model: Tried) -> Mapping[str, Any]:
        promised = model.objective or USUAL
        return {
            "kind": "load",
            "seconds": settings.seconds,
            **_load(settings, model.objective),
            "input_tokens": settings.input_tokens or promised.input_tokens,
            "output_tokens": settings.output_tokens or promised.output_tokens,
            **bounds(settings, model.objective),
        }

    def tool(self, settings: RequestsSettings, model: Tried) -> ToolPlan | None:
        return None

    def holds(self, trial: Mapping[str, Any]) -> tuple[str, ...]:
        return holding(trial)


def _load(settings: RequestsSettings, objective: ObjectiveSettings | None) -> dict[str, float | int]:
    """What comes in, its own or the objective's; empty where nobody says."""
    for said in (settings, objective):
        if said is not None and said.requests_per_second is not None:
            return {"requests_per_second": said.requests_per_second}
        if said is not None and said.concurrent_users is not None:
            return {"concurrent_users": said.concurrent_users}
    return {}


REQUESTS = Requests()
