"""Replicas of several nodes: the pods beside the leader, and the labels that tell one group from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from infra.plan.engine_pod import EnginePod
from infra.plan.engine_process import WORKER_COMMAND, worker_specification
from infra.plan.in_cluster import ENGINE_WORKER
from infra.plan.types import ModelPlan, Replicas

# What a worker keeps of its grace to end itself, once its leader is gone.
WORKER_END_SECONDS = 5
# Labels that LeaderWorkerSet gives to the pods of a set (`leaderworkerset_types.go` of 0.8.0, read 2026-11-25).
SET_LABEL = "leaderworkerset.sigs.k8s.io/name"
GROUP_LABEL = "leaderworkerset.sigs.k8s.io/group-index"


@dataclass(frozen=True, kw_only=True)
class NodeGroups:
    """The replicas of a model as groups of pods, one on each of `size` nodes: a leader, which has the API, and workers,
    each of which is `worker`. `name` is not the engine's own: LeaderWorkerSet makes a Service of that name, for pods
    that are not ready yet too. `groups` are the labels of each group that there may be at a time, by a name for it."""

    name: str
    size: int
    worker: EnginePod
    groups: Mapping[str, Mapping[str, str]]


def node_groups(model: str, engine: str, plan: ModelPlan, replicas: Replicas, leader: EnginePod) -> NodeGroups | None:
    """None where a replica has one node."""
    if plan.nodes == 1:
        return None
    name = f"{engine}-groups"
    return NodeGroups(
        name=name,
        size=plan.nodes,
        worker=replace(
            leader,
            component=ENGINE_WORKER,
            command=WORKER_COMMAND,
            answers=False,
            key_files={},
            specification=worker_specification(
                model,
                leader.specification,
                plan.container,
                # A worker goes when its leader has gone; it is what a leader's last answers are computed on.
                leader_ends_seconds=leader.grace_seconds - leader.pre_stop_seconds - WORKER_END_SECONDS,
            ),
        ),
        groups={
            f"{name}-{index}": {SET_LABEL: name, GROUP_LABEL: str(index)}
            for index in range(replicas.max + leader.surge)
        },
    )
