"""One replica of an engine as a pod: what it gets of its machine, its times, and how replicas follow one another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.plan.drain_ladder import PRE_STOP_SECONDS
from infra.plan.engine_process import COMMAND, STATUS_FOLDER, engine_specification, key_files
from infra.plan.in_cluster import ENGINE
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
# Generous: an engine that is throttled answers late, and one without a limit is refused where a namespace has a quota.
MOST_TIMES_THE_PROCESSORS = 4
TEMPORARY = "/tmp"  # noqa: S108 - in the container, where a folder of its own is mounted
SIZES_GIB = {TEMPORARY: 2, STATUS_FOLDER: 1}
LOGS_GIB = 1
# What a start may take beyond its probe: a machine that comes, and an image that is pulled on a slow day.
BEFORE_THE_PROBE = 2.0
UNKNOWN_READY_SECONDS = 7200
# What a slow line gives (100 Mbit/s); nobody waits for less, and nothing that hangs is waited for longer.
SLOWEST_FETCH_GIB_PER_SECOND = 0.0116
LEAST_FETCH_SECONDS = 1800


@dataclass(frozen=True, kw_only=True)
class EnginePod:
    """`specification` is what the launcher in it is told. `folders` are writable ones on the node's disk and their
    sizes, `compiled_folders` those in the volume of weights; `disk_gib` is all that it takes of its node's disk. A
    change may run `surge` more and take `unavailable` away at once; `disruptions` is how many a node's drain may take,
    None without a budget. Every pod is ready within `ready_seconds`, and weights are there within `fetch_seconds`, or
    the deployment fails. `key_files` are in the folder of its key, with `{key}` for it. Where it does not answer, its
    launcher alone is asked whether it is well. `port_name` is what its API's port is called in its pod, None where only
    that pod uses it, and `watched_port_name` that of its state and its metrics."""

    specification: Mapping[str, Any]
    processors: int
    most_processors: int
    memory_gib: int
    shared_memory_gib: int
    folders: Mapping[str, int]
    compiled_folders: tuple[str, ...]
    disk_gib: int
    pre_stop_seconds: int
    grace_seconds: int
    ready_seconds: int
    fetch_seconds: int
    surge: int
    unavailable: int
    disruptions: int | None
    key_files: Mapping[str, str]
    component: str = ENGINE
    command: tuple[str, ...] = COMMAND
    port_name: str | None = "https"
    watched_port_name: str = "operations"
    answers: bool = True


def engine_pod(model: str, plan: ModelPlan, replicas: Replicas, drain: DrainPlan, weights: WeightsVolume) -> EnginePod:
    """Decides it. `replicas` are those of one site."""
    container = plan.container
    processors = _processors(plan)
    spare = plan.operation.rollout == "spare"
    start = plan.cold_start
    compiled = tuple(path for path in container.writable_paths if weights.compiled and path != TEMPORARY)
    folders = {
        path: SIZES_GIB.get(path, COMPILED_GIB)
        for path in (*container.writable_paths, STATUS_FOLDER)
        if path not in compiled
    }
    return EnginePod(
        specification=engine_specification(
            model,
            container,
            drain,
            weights=weights,
            processors=processors,
            start_seconds=container.probes.startup.period_seconds * (container.probes.startup.failures or 1),
        ),
        processors=processors,
        most_processors=processors * MOST_TIMES_THE_PROCESSORS,
        memory_gib=memory_gib(plan),
        shared_memory_gib=container.shared_memory_gib,
        folders=folders,
        compiled_folders=compiled,
        disk_gib=sum(folders.values()) + LOGS_GIB + (weights.size_gib if weights.on_the_nodes_disk else 0),
        pre_stop_seconds=PRE_STOP_SECONDS,
        grace_seconds=drain.pod_grace_seconds or drain.process_group_grace_seconds,
        ready_seconds=math.ceil(start.total_seconds * BEFORE_THE_PROBE) + start.startup_budget_seconds
        if start
        else UNKNOWN_READY_SECONDS,
        fetch_seconds=_fetch_seconds(plan),
        surge=1 if spare else 0,
        unavailable=0 if spare else 1,
        disruptions=1 if replicas.min > 1 else None,
        key_files=key_files(container),
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


def _fetch_seconds(plan: ModelPlan) -> int:
    stored = plan.operation.stored_gib
    longest = UNKNOWN_READY_SECONDS if stored is None else math.ceil(stored / SLOWEST_FETCH_GIB_PER_SECOND)
    return max(LEAST_FETCH_SECONDS, longest)


def _processors(plan: ModelPlan) -> int:
    gpus = plan.accelerator.count if plan.accelerator else 0
    return plan.operation.processors or (PROCESSORS_OF_A_GPU * gpus or PROCESSORS_WITHOUT_GPU)


def memory_gib(plan: ModelPlan) -> int:
    """Memory of the machine, shared memory among it. Weights on processors are there whole, with the KV cache."""
    if plan.operation.memory_gib:
        return plan.operation.memory_gib
    if plan.accelerator:
        return MEMORY_GIB + MEMORY_OF_A_GPU_GIB * plan.accelerator.count + plan.container.shared_memory_gib
    stored, cache = plan.operation.stored_gib, plan.operation.host_kv_cache_gib
    return math.ceil((UNKNOWN_WEIGHTS_GIB if stored is None else stored) + (cache or 0.0)) + MEMORY_WITHOUT_GPU_GIB
