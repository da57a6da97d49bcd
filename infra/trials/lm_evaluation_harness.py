"""Evaluation `lm_evaluation_harness`: EleutherAI's harness, whose tasks are known by name, with a bound for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from infra.explain import dotted
from infra.plan.trial_types import ToolPlan
from infra.problems import Problem
from infra.settings import RelativePath
from infra.trials.base import TrialSettings, Tried
from infra.trials.tool import ToolSettings, hub_environment

TaskName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,47}$"),
    Field(json_schema_extra={"x-remedy": "write it as `lm-eval ls tasks` does, such as `gsm8k`"}),
]
Metric = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,23}(,[a-z][a-z0-9_-]{0,23})?$"),
    Field(json_schema_extra={"x-remedy": "write it like `exact_match`, or `exact_match,strict-match`"}),
]
Bound = Annotated[float, Field(ge=0, le=1_000_000)]
# Of a record, which has to fit into a pod's termination message of 4 KiB.
MOST_BOUNDS = 12
PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}


class LmEvaluationHarnessSettings(TrialSettings, ToolSettings):
    """Tasks of the harness, asked through the endpoint."""

    kind: Literal["lm_evaluation_harness"] = Field(
        description="EleutherAI's lm-evaluation-harness: its tasks, or task files of your own."
    )
    tasks: dict[TaskName, dict[Metric, Bound]] = Field(
        min_length=1,
        max_length=MOST_BOUNDS,
        description="What its metrics must at least be, by task: `gsm8k: {exact_match: 0.6}`. Where a task has a "
        "metric by several filters, the worst counts unless one is named: `exact_match,strict-match`. Tasks that "
        "generate: no likelihoods are asked for.",
    )
    ask: Literal["chat", "completions"] = Field(
        default="chat", description="Whether prompts are a chat, in the model's own form, or are continued as text."
    )
    few_shot_count: int | None = Field(
        default=None, ge=0, le=100, description="Examples before each question; unset, as many as each task says."
    )
    question_count: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Questions of each task; unset, all that it has."
    )
    concurrent_requests: int = Field(default=4, ge=1, le=1000, description="How many are asked at once.")
    at_most_minutes: int = Field(
        default=120, ge=1, le=10_080, description="After so many minutes a run that has not ended is ended."
    )
    own_tasks: RelativePath | None = Field(
        default=None,
        description="Folder of task files of your own, from the project's folder, and in an image from where its "
        "program starts; unset, none.",
    )


class LmEvaluationHarness:
    """Implements the evaluation `lm_evaluation_harness`."""

    settings = LmEvaluationHarnessSettings

    def problems(self, where: str, settings: LmEvaluationHarnessSettings, model: Tried) -> Iterator[Problem]:
        for name, bounds in settings.tasks.items():
            if not bounds:
                yield Problem(
                    where=dotted(f"{where}.tasks", (name,)),
                    found="a task without a bound: every result would do",
                    allowed="at least one metric, with what it must at least be",
                    remedy="add one, such as `exact_match: 0.6`",
                )
        if (count := sum(map(len, settings.tasks.values()))) > MOST_BOUNDS:
            yield Problem(
                where=f"{where}.tasks",
                found=f"{count} bounds",
                allowed=f"{MOST_BOUNDS} or fewer: a record has to fit into what a cluster keeps of a job",
                remedy="divide them between two evaluations",
            )

    def requests_per_minute(self, settings: LmEvaluationHarnessSettings, model: Tried) -> float | None:
        return None

    def trial(self, settings: LmEvaluationHarnessSettings, model: Tried) -> Mapping[str, Any]:
        return {"kind": settings.kind, "tasks": {name: dict(bounds) for name, bounds in settings.tasks.items()}}

    def holds(self, trial: Mapping[str, Any]) -> tuple[str, ...]:
        tasks: Mapping[str, Mapping[str, float]] = trial["tasks"]
        return tuple(
            f"{name} {metric} at least {bound:g}" for name, bounds in tasks.items() for metric, bound in bounds.items()
        )

    def tool(self, settings: LmEvaluationHarnessSettings, model: Tried) -> ToolPlan | None:
        told = {
            "model": model.name,
            "base_url": f"{{url}}{PATHS[settings.ask]}",
            # Texts go as they are: nobody here has the model's tokenizer.
            "tokenizer_backend": "None",
            "tokenized_requests": "False",
            "num_concurrent": settings.concurrent_requests,
        }
        options = {
            "--model": "local-chat-completions" if settings.ask == "chat" else "local-completions",
            "--model_args": ",".join(f"{name}={value}" for name, value in told.items()),
            "--tasks": ",".join(settings.tasks),
            "--num_fewshot": settings.few_shot_count,
            "--limit": settings.question_count,
            "--include_path": settings.own_tasks,
            "--output_path": "{folder}/results.json",
        }
        written = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        return ToolPlan(
            name=settings.kind,
            image=settings.image,
            command=("lm_eval", "run", *written, *(["--apply_chat_template"] if settings.ask == "chat" else [])),
            environment=hub_environment(settings),
            key_environment="OPENAI_API_KEY",
            downloads=settings.downloads,
            seconds=60 * settings.at_most_minutes,
        )


LM_EVALUATION_HARNESS = LmEvaluationHarness()
