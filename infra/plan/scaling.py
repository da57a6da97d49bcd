"""How many replicas of a model run at a time: by the requests that gateways count, or by load, and by the clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.plan.cluster_facts import ClusterFacts
from infra.plan.in_cluster import OPERATIONS_PORT
from infra.plan.operation import Schedule
from infra.plan.types import ModelPlan, Replicas
from infra.problems import Problem

# Of the requests that a replica runs at once: the rest is for those that come while another one starts.
TARGET_SHARE = 0.7
POLL_SECONDS = 15
# From zero somebody waits for the first look.
POLL_FROM_ZERO_SECONDS = 5
# A replica more in each of these, or twice as many as there are: what begins to start counts only when it is ready.
SCALE_UP_SECONDS = 60
SCALE_DOWN_SECONDS = 60
# What llm-d and KEDA itself ship (240 to 300 s, read 2026-08), and Kubernetes' own limit.
LEAST_WINDOW_SECONDS = 300
LONGEST_WINDOW_SECONDS = 3600
PROCESSOR_PERCENT = 70


@dataclass(frozen=True, kw_only=True)
class ScalingPlan:
    """`kind` is `keda` or `horizontal_pod_autoscaler`. One replica is wanted for each `target_requests` that gateways
    have of the model (`path` of their operations port); `aggregation` says how their answers become one number: each
    tells the fleet's total where they count together, and its own else. `key_secret` is the gateway secret that is
    shown to them. Fewer replicas are taken only after `window_seconds` of less to do."""

    kind: str
    min_replicas: int
    max_replicas: int
    target_requests: int
    path: str
    port: int
    aggregation: str
    key_secret: str | None
    poll_seconds: int
    window_seconds: int
    schedules: Mapping[str, Schedule]


def scaling_plan(
    model: str,
    plan: ModelPlan,
    replicas: Replicas,
    gateway: Mapping[str, Any],
    grace_seconds: int,
    cluster: ClusterFacts,
) -> ScalingPlan | None:
    """None where there is nothing to decide."""
    schedules = plan.operation.schedules
    if replicas.min == replicas.max and not schedules:
        return None
    start = plan.cold_start
    together = "limits_store" in gateway
    key_file: str | None = gateway.get("scaling", {}).get("key_file")
    return ScalingPlan(
        kind="keda" if cluster.keda else "horizontal_pod_autoscaler",
        min_replicas=replicas.min if cluster.keda else max(1, replicas.min),
        max_replicas=replicas.max,
        target_requests=target_requests(plan),
        path=f"/scaling/{model}",
        port=OPERATIONS_PORT,
        # Whoever ends is no longer asked, and whoever cannot answer would count as nothing to do in a sum.
        aggregation="max" if together else "sum",
        key_secret=key_file and key_file.rpartition("/")[2],
        poll_seconds=POLL_SECONDS if replicas.min else POLL_FROM_ZERO_SECONDS,
        # What is taken away costs a whole start when it is missed, and a gateway that ends takes its count with it.
        window_seconds=min(
            LONGEST_WINDOW_SECONDS,
            max(LEAST_WINDOW_SECONDS, grace_seconds, math.ceil(start.total_seconds) if start else 0),
        ),
        schedules=schedules,
    )


def target_requests(plan: ModelPlan) -> int:
    """Requests that one replica shall have: of those that it runs at once within its objective."""
    speed = plan.performance
    at_once = min(plan.concurrent_requests, speed.running_requests) if speed else plan.concurrent_requests
    return max(1, math.floor(at_once * TARGET_SHARE))


def scaling_problems(
    where: str, plan: ModelPlan, replicas: Replicas, cluster: ClusterFacts, *, started: bool
) -> Iterator[Problem]:
    """Hours that nobody keeps, hours with more than there may be, and zero replicas that nothing would ever end."""
    for name, hours in plan.operation.schedules.items():
        if not cluster.keda:
            yield Problem(
                where=f"{where}.scaling.schedules.{name}",
                found="hours, on a site without KEDA",
                allowed="hours where KEDA is (platform `kubernetes`, `keda: true`): nothing else looks at the clock",
                remedy="remove `schedules`, or serve from a cluster of yours with KEDA 2.20.2 or newer",
            )
        if hours.min_replicas > replicas.max:
            yield Problem(
                where=f"{where}.scaling.schedules.{name}.min_replicas",
                found=f"{hours.min_replicas}, with at most {replicas.max} replicas",
                allowed=f"1 to {replicas.max}",
                remedy="raise `scaling.max_replicas`, or lower it",
            )
    if replicas.min == 0 and not started:
        yield Problem(
            where=f"{where}.scaling.min_replicas",
            found="0, and requests are not held",
            allowed="0 only where requests wait for the first replica: they are what starts it",
            remedy="add `hold: {}`, or set `min_replicas: 1`",
        )
