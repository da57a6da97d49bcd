"""How many replicas of a model run at a time: by the requests that gateways count, or by load, and by the clock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.objective import KEPT_FOR_PERCENT
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.figures import ModelPerformance
from infra.plan.in_cluster import OPERATIONS_PORT
from infra.plan.operation import Schedule
from infra.plan.start_types import ModelColdStart
from infra.plan.types import ModelPlan, Replicas

# Of the requests that a replica runs at once: the rest is for those that come while another one starts.
TARGET_SHARE = 0.7
# Of the time to the first token, what may be waited at least, however slow prompts are said to be.
LEAST_WAIT_SHARE = 0.25
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
class Demand:
    """What gateways count of a model so that replicas are there before a burst is: what came in each `slice_seconds` of
    the last hour, of which `kept_percent` are to be in time; and how many were in flight in `mean_seconds`."""

    slice_seconds: int
    mean_seconds: int
    kept_percent: float


@dataclass(frozen=True, kw_only=True)
class ScalingPlan:
    """`kind` is `keda` or `horizontal_pod_autoscaler`. One replica is wanted for each `target_requests` that gateways
    have of the model (`path` of their operations port): now, or with `target_per_second` on average while a replica
    starts. Then also one for each `target_per_second` that must be taken for all but a few of what came in the last
    hour to be in time; the larger number counts. `aggregation` says how gateways' answers become one number: each
    tells the fleet's total where they count together, and its own else. `key_secret` is the gateway secret that is
    shown to them. Fewer replicas are taken only after `window_seconds` of less to do."""

    kind: str
    min_replicas: int
    max_replicas: int
    target_requests: int
    target_per_second: float | None
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
        target_per_second=target_per_second(plan) if demand_of(plan) else None,
        path=f"/scaling/{model}",
        port=OPERATIONS_PORT,
        # Whoever ends is no longer asked, and whoever cannot answer would count as nothing to do in a sum.
        aggregation="max" if together else "sum",
        key_secret=key_file and key_file.rpartition("/")[2],
        poll_seconds=POLL_SECONDS if replicas.min else POLL_FROM_ZERO_SECONDS,
        # What is taken away costs another start when it is missed: kept for no longer than that, it costs at most twice
        # what it must. A gateway that ends takes its count with it.
        window_seconds=min(
            LONGEST_WINDOW_SECONDS,
            max(LEAST_WINDOW_SECONDS, grace_seconds, math.ceil(start_again_seconds(start)) if start else 0),
        ),
        schedules=schedules,
    )


def start_again_seconds(start: ModelColdStart) -> float:
    """Of a replica that was taken away, at worst: a machine that stays has the image."""
    stays = any(phase.name == "provision_node" and phase.seconds == 0 for phase in start.phases)
    return sum(phase.seconds for phase in start.phases if not (stays and phase.name == "pull_image"))


def target_requests(plan: ModelPlan) -> int:
    """Requests that one replica shall have: of those that it runs at once within its objective, and no more than let a
    new prompt in on time."""
    speed, wanted = plan.performance, plan.operation
    if speed is None:
        return max(1, math.floor(plan.concurrent_requests * TARGET_SHARE))
    at_once = _at_once(plan, speed)
    return max(1, math.floor(min(at_once * TARGET_SHARE, _prompts_in_time(speed, wanted.time_to_first_token_seconds))))


def target_per_second(plan: ModelPlan) -> float:
    """Requests a second that one replica takes within its objective. With fewer at once than it can run each of them is
    faster: counted as if it were not."""
    speed = plan.performance
    if speed is None or not speed.running_requests:
        return 0.0
    most = min(_at_once(plan, speed), _prompts_in_time(speed, plan.operation.time_to_first_token_seconds))
    return round(speed.requests_per_second * most / speed.running_requests, 3)


def demand_of(plan: ModelPlan) -> Demand | None:
    """What comes within the time that a request may wait must be taken within it: nobody foresees bursts, but the next
    ones are as large as the last hour's. None where there is nothing to decide, where nothing says what is in time or
    how fast a replica is, and for models that end: who is not there is not expected."""
    waits, start, replicas = lets_pass_seconds(plan), plan.cold_start, plan.replicas
    if waits is None or start is None or not 0 < replicas.min < replicas.max or target_per_second(plan) <= 0:
        return None
    return Demand(
        # Gateways tell each other once a second.
        slice_seconds=min(LONGEST_WINDOW_SECONDS, max(1, math.floor(waits))),
        mean_seconds=min(LONGEST_WINDOW_SECONDS, max(1, math.ceil(start_again_seconds(start)))),
        kept_percent=KEPT_FOR_PERCENT,
    )


def _at_once(plan: ModelPlan, speed: ModelPerformance) -> int:
    """Those that it runs, each of them fast enough."""
    limit = plan.operation.time_per_output_token_milliseconds or math.inf
    fast = [point.concurrent_requests for point in speed.curve if point.time_per_output_token_ms <= limit]
    return min(plan.concurrent_requests, speed.running_requests, max(fast, default=1))


def _prompts_in_time(speed: ModelPerformance, within_seconds: float | None) -> float:
    """Of requests in flight, so many are at their prompt as prompts are of the work, and a new one waits for them."""
    if within_seconds is None or not speed.prefill_share:
        return math.inf
    # A prompt takes its share of a request's time; of those in flight as large a share is at it. No margin for moments
    # with more of them: the window keeps what the fullest of its looks wanted, one in twenty or fewer.
    return within_seconds * speed.requests_per_second / speed.prefill_share**2


def lets_pass_seconds(plan: ModelPlan) -> float | None:
    """How long a request may wait at the gateway and still be in time: its own prompt comes after that. Who waited for
    longer lets those pass who are still in time, so that a burst makes late what it must and no more. None where
    nothing says what is in time."""
    speed, within_seconds = plan.performance, plan.operation.time_to_first_token_seconds
    if speed is None or within_seconds is None:
        return None
    left = within_seconds - speed.time_to_first_token_ms_low / 1e3
    return round(max(left, within_seconds * LEAST_WAIT_SHARE), 3)


def behaviour(plan: ScalingPlan) -> dict[str, Any]:
    """Up at once, and no further until what was started counts; down one by one, after a long look: an HPA's words."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Pods", "value": 1, "periodSeconds": SCALE_UP_SECONDS},
                {"type": "Percent", "value": 100, "periodSeconds": SCALE_UP_SECONDS},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": plan.window_seconds,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": SCALE_DOWN_SECONDS}],
        },
    }
