"""One replica of an engine as a pod: what it gets of its machine, how long it may start and end, and how replicas follow
one another when something changes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.drain_ladder import PRE_STOP_SECONDS
from infra.plan.in_cluster import ENGINE_KEY_FOLDER
from infra.plan.types import DrainPlan, ModelPlan, Replicas
from infra.plan.weights_volume import COMPILED_GIB, WeightsVolume
from infra.problems import Problem

# Assumed, 2026-11 (peers ship 4 to 16 processors and 16 to 100 GiB for one GPU): an engine's processes, the pinned
# buffers of its GPUs, and what is read of the weights at once. Page cache beyond that is given back under pressure.
PROCESSORS_OF_A_GPU = 4
PROCESSORS_WITHOUT_GPU = 4
MEMORY_GIB = 8
MEMORY_OF_A_GPU_GIB = 8
MEMORY_WITHOUT_GPU_GIB = 2
UNKNOWN_WEIGHTS_GIB = 8.0
# Generous: throttled in the middle of a step an engine answers late, and without a limit a namespace's quota refuses it.
MOST_TIMES_THE_PROCESSORS = 4
TEMPORARY_GIB = 2
# What a start may take beyond its probe: a machine that comes, and an image that is pulled on a slow day.
BEFORE_THE_PROBE = 2.0
UNKNOWN_READY_SECONDS = 7200


@dataclass(frozen=True, kw_only=True)
class EnginePod:
    """`command` is what runs. `folders` are writable ones on the node's disk and their sizes. A change may run `surge`
    more and take `unavailable` away at once; `disruptions` is how many a node's drain may take, None without a budget.
    Every pod is there and ready within `ready_seconds`, or the deployment fails. `key_path` is where the engine, or the
    launcher before it, has its key; `key_content` is what is there, with `{key}` for the key itself."""

    command: tuple[str, ...]
    processors: int
    most_processors: int
    memory_gib: int
    shared_memory_gib: int
    folders: Mapping[str, int]
    pre_stop_seconds: int
    grace_seconds: int
    ready_seconds: int
    surge: int
    unavailable: int
    disruptions: int | None
    key_path: str | None
    key_content: str | None


def engine_pod(plan: ModelPlan, replicas: Replicas, drain: DrainPlan, weights: WeightsVolume) -> EnginePod:
    """Decides it. `replicas` are those of one site."""
    container = plan.container
    processors = _processors(plan)
    spare = plan.operation.rollout == "spare"
    start = plan.cold_start
    return EnginePod(
        command=tuple(
            word.replace("{threads}", str(processors)) for word in (*container.command, *container.arguments)
        ),
        processors=processors,
        most_processors=processors * MOST_TIMES_THE_PROCESSORS,
        memory_gib=_memory_gib(plan),
        shared_memory_gib=container.shared_memory_gib,
        folders={
            path: TEMPORARY_GIB if path == "/tmp" else COMPILED_GIB  # noqa: S108 - in the container
            for path in container.writable_paths
            if path == "/tmp" or not weights.compiled  # noqa: S108
        },
        pre_stop_seconds=PRE_STOP_SECONDS,
        grace_seconds=drain.pod_grace_seconds or drain.process_group_grace_seconds,
        ready_seconds=math.ceil(start.total_seconds * BEFORE_THE_PROBE) + start.startup_budget_seconds
        if start
        else UNKNOWN_READY_SECONDS,
        surge=1 if spare else 0,
        unavailable=0 if spare else 1,
        disruptions=1 if replicas.min > 1 else None,
        key_path=container.key_file or (f"{ENGINE_KEY_FOLDER}/key" if container.key_environment else None),
        key_content=container.key_file_content or ("{key}" if container.key_environment else None),
    )


def rollout_problems(where: str, plan: ModelPlan, replicas: Replicas) -> Iterator[Problem]:
    """A change that would leave nothing to answer."""
    if plan.operation.rollout == "in_place" and replicas.min < 2:
        yield Problem(
            where=f"{where}.rollout",
            found=f"`in_place`, with {replicas.min} replica{'' if replicas.min == 1 else 's'}",
            allowed="two replicas or more: a change takes one away first, and another has to answer",
            remedy="raise `scaling.min_replicas` to what is needed and one more, or leave `rollout` at `spare`",
        )


def _processors(plan: ModelPlan) -> int:
    gpus = plan.accelerator.count if plan.accelerator else 0
    return plan.operation.processors or (PROCESSORS_OF_A_GPU * gpus or PROCESSORS_WITHOUT_GPU)


def _memory_gib(plan: ModelPlan) -> int:
    """Memory of the machine, shared memory among it. Weights on processors are there whole, with the KV cache."""
    if plan.operation.memory_gib:
        return plan.operation.memory_gib
    if plan.accelerator:
        return MEMORY_GIB + MEMORY_OF_A_GPU_GIB * plan.accelerator.count + plan.container.shared_memory_gib
    stored, cache = plan.operation.stored_gib, plan.operation.host_kv_cache_gib
    return math.ceil((UNKNOWN_WEIGHTS_GIB if stored is None else stored) + (cache or 0.0)) + MEMORY_WITHOUT_GPU_GIB
