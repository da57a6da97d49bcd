"""Trials inside a cluster: what each job is told, and how long it may take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.naming import normalised
from infra.plan.in_cluster import GATEWAY, SERVICE_PORT, TRIAL
from infra.plan.trial_types import ToolPlan, TrialPlan
from infra.plan.types import ModelPlan
from infra.trials.tool import HOME

CONFIG_FOLDER = "/etc/slipway/trial"
CONFIG_FILE = "trial.json"
KEY_FOLDER = "/run/secrets/trial"
RESULTS_FOLDER = "/run/slipway/results"
ORIGIN = f"http://{GATEWAY}{'' if SERVICE_PORT == 80 else f':{SERVICE_PORT}'}"
# Of what a tool writes: data sets that it reads are in its image, or fetched to here.
TOOL_DISK, TOOL_MEMORY = "8Gi", "4Gi"
# Some thousand open streams are a few hundred MB, and a second of a processor a few thousand of them.
CPU_REQUEST, CPU_LIMIT = "500m", "2"
MEMORY = "1Gi"
# To be put on a node, to fetch an image, and for the last answers to end.
AROUND_SECONDS = 900
# For one question of an evaluation, some of which are asked at once.
CASE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class TrialPod:
    """One trial as a job. `config` is what `serving.trials` reads, when its `tool` has ended where it has one;
    without a `schedule` it waits for somebody to start it."""

    name: str
    client: str
    config: Mapping[str, Any]
    schedule: str | None
    deadline_seconds: int
    tool: ToolPlan | None = None
    cpu_request: str = CPU_REQUEST
    cpu_limit: str = CPU_LIMIT
    memory: str = MEMORY


def trial_pods(trials: Mapping[str, TrialPlan], models: Mapping[str, ModelPlan]) -> Iterator[TrialPod]:
    """One for each trial of the models that are here, through the gateways' own service."""
    for trial in trials.values():
        if trial.model not in models:
            continue
        model = models[trial.model]
        longest = model.drain.longest_generation_seconds
        lasts = trial.trial.get("seconds", CASE_SECONDS * len(trial.trial.get("cases", ())))
        lasts = lasts if trial.tool is None else trial.tool.seconds
        yield TrialPod(
            name=f"{TRIAL}-{normalised(trial.model)}-{normalised(trial.name)}",
            client=trial.client,
            config={
                "url": ORIGIN,
                "model": trial.model,
                "key_file": f"{KEY_FOLDER}/{trial.client}",
                "trial": trial.trial,
                "answer_seconds": answer_seconds(model),
                "about": trial.about,
                **({"results": RESULTS_FOLDER} if trial.tool else {}),
            },
            tool=trial.tool and _there(trial.tool),
            schedule=trial.schedule,
            deadline_seconds=math.ceil(lasts) + longest + AROUND_SECONDS,
        )


def answer_seconds(model: ModelPlan) -> int:
    """How long a whole answer may take, with the wait for its turn."""
    return model.drain.longest_generation_seconds + model.drain.longest_wait_seconds


def _there(tool: ToolPlan) -> ToolPlan:
    """As the cluster runs it."""
    words = (word.replace("{url}", ORIGIN).replace("{folder}", RESULTS_FOLDER) for word in tool.command)
    return replace(tool, command=tuple(words), environment={**tool.environment, "HOME": HOME})
