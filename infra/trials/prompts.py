"""Evaluation `prompts`: questions of your own with checks of their answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from infra.explain import dotted
from infra.plan.trial_types import ToolPlan
from infra.problems import Problem
from infra.settings import Name, Settings
from infra.trials.base import TrialSettings, Tried


class CaseSettings(Settings):
    """One question, and what its answer must have."""

    prompt: str = Field(min_length=1, max_length=100_000, description="What is asked, as the user of a chat.")
    contains: list[str] = Field(
        default_factory=list, max_length=64, description="Texts that the answer must have, in whatever case."
    )
    matches: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="A regular expression (Python's) that must match somewhere in the answer; unset, none.",
    )
    max_tokens: int = Field(default=64, ge=1, le=1_000_000, description="Longest answer, in tokens.")


class PromptsSettings(TrialSettings):
    """Questions with checks, asked at temperature 0."""

    kind: Literal["prompts"] = Field(description="Questions of your own, each with checks of its answer.")
    cases: dict[Name, CaseSettings] = Field(
        min_length=1, max_length=1000, description="The questions, by a name of your choice."
    )
    at_least_percent: float = Field(
        default=100.0, ge=0, le=100, description="How many of a hundred answers must be right."
    )


class Prompts:
    """Implements the evaluation `prompts`."""

    settings = PromptsSettings

    def problems(self, where: str, settings: PromptsSettings, model: Tried) -> Iterator[Problem]:
        for name, case in settings.cases.items():
            here = dotted(f"{where}.cases", (name,))
            if not case.contains and case.matches is None:
                yield Problem(
                    where=here,
                    found="a question without a check: every answer would be right",
                    allowed="`contains`, `matches` or both",
                    remedy="say what a right answer has",
                )
            try:
                re.compile(case.matches or "")
            except re.error as error:
                yield Problem(
                    where=f"{here}.matches",
                    found=f"no regular expression: {error.msg}" + (f" at {error.pos}" if error.pos else ""),
                    allowed="one that Python's `re` understands",
                    remedy="correct it; a text as it is belongs in `contains`",
                )

    def requests_per_minute(self, settings: PromptsSettings, model: Tried) -> float | None:
        return None

    def trial(self, settings: PromptsSettings, model: Tried) -> Mapping[str, Any]:
        return settings.model_dump(exclude={"client", "schedule"}, exclude_none=True)

    def tool(self, settings: PromptsSettings, model: Tried) -> ToolPlan | None:
        return None

    def holds(self, trial: Mapping[str, Any]) -> tuple[str, ...]:
        return (f"{trial['at_least_percent']:g} % of {len(trial['cases'])} answers right",)


PROMPTS = Prompts()
