"""What changes replicas: ours as it is planned, and what others do, with the settings that they ship or document."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from bench.autoscaling.days import HOUR
from bench.autoscaling.hpa import DEFAULT_BEHAVIOUR, SYNC_SECONDS, Stabiliser, external_average, pods_average
from bench.autoscaling.simulator import Fleet
from infra.plan.scaling import Demand, ScalingPlan, behaviour

# production-stack helm/values.yaml (2026-11): `vllm:num_requests_waiting`, 5; poll 15 s and cool-down 360 s are for
# zero replicas and one. Its 1 to 5 replicas are whatever ours are here, and its `idleReplicaCount: 0` would take all of
# them away while none waits.
PRODUCTION_STACK_WAITING = 5.0
# Its ServiceMonitor's interval, and that of dcgm-exporter (`--collect-interval`, 30,000 ms).
SCRAPED_SECONDS = 30.0
# Of DCGM_FI_DEV_GPU_UTIL: whether kernels ran in the last sixth of a second to second. 80 % is what HPAs are given.
GPU_UTILISATION = 0.8
# Knative's config-autoscaler as it is shipped, which KServe leaves so (2026-11).
KNATIVE_UTILISATION, KNATIVE_TICK_SECONDS = 0.7, 2.0
KNATIVE_STABLE_SECONDS, KNATIVE_PANIC_SECONDS, KNATIVE_PANIC_THRESHOLD = 60.0, 6.0, 2.0


class Static:
    """Always as many."""

    every_seconds = 3600.0

    def __init__(self, count: int) -> None:
        self.count = count

    def wanted(self, now: float, fleet: Fleet) -> int:
        del now, fleet
        return self.count


class _Scaled:
    """What all HPAs are."""

    every_seconds = SYNC_SECONDS

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self.stabiliser = Stabiliser(rules)

    def recommended(self, fleet: Fleet, now: float) -> int:
        raise NotImplementedError

    def wanted(self, now: float, fleet: Fleet) -> int:
        least, most = fleet.setting.least, fleet.setting.most
        return self.stabiliser.decided(now, self.recommended(fleet, now), fleet.count, least, most)


class Ours(_Scaled):
    """As `infra.components.autoscaling` deploys the plan: KEDA asks gateways what came in the last hour and how many
    were in flight on average while a replica starts, and the HPA takes the larger number."""

    def __init__(self, plan: ScalingPlan, demand: Demand) -> None:
        super().__init__(behaviour(plan))
        assert plan.target_per_second is not None
        self.per_second, self.target, self.demand = plan.target_per_second, plan.target_requests, demand
        # Gateways look each second at who is in flight; here it is whenever the HPA does.
        self.in_flight: deque[int] = deque(maxlen=round(demand.mean_seconds / SYNC_SECONDS))
        self.slices: deque[int] = deque(maxlen=round(HOUR / demand.slice_seconds))
        self.counted, self.ends = 0, demand.slice_seconds

    def recommended(self, fleet: Fleet, now: float) -> int:
        self._look(fleet, now)
        arriving = taken(self.slices, self.demand.kept_percent) / self.demand.slice_seconds
        mean = (sum(self.in_flight) + fleet.in_flight) / (len(self.in_flight) + 1)
        self.in_flight.append(fleet.in_flight)
        return max(
            external_average(arriving, self.per_second, fleet.count), external_average(mean, self.target, fleet.count)
        )

    def _look(self, fleet: Fleet, now: float) -> None:
        """What came in each slice that has ended."""
        requests = fleet.requests
        while self.ends <= now:
            before = self.counted
            while self.counted < len(requests) and requests[self.counted].at < self.ends:
                self.counted += 1
            self.slices.append(self.counted - before)
            self.ends += self.demand.slice_seconds


def taken(slices: Iterable[int], kept_percent: float) -> float:
    """What each must take for `kept_percent` of all to be taken in the slice that they came in."""
    counts = sorted(slices, reverse=True)
    beyond = sum(counts) * (1 - kept_percent / 100)
    for place, above in enumerate(accumulate(counts), start=1):
        level = (above - beyond) / place
        if level >= (counts[place] if place < len(counts) else 0):
            return level
    return 0.0


class _Scraped(_Scaled):
    """By what Prometheus has: as old as its last look."""

    def __init__(self, scraped_seconds: float) -> None:
        super().__init__(DEFAULT_BEHAVIOUR)
        self.scraped_seconds = scraped_seconds
        self.next, self.last = 0.0, [0.0]

    def seen(self, now: float, values: list[float]) -> list[float]:
        """The newest that was scraped."""
        if now >= self.next:
            self.next, self.last = now + self.scraped_seconds, values
        return self.last


class Waiting(_Scraped):
    """KEDA on the number of requests that wait, over all replicas."""

    def __init__(self, threshold: float = PRODUCTION_STACK_WAITING, scraped_seconds: float = SCRAPED_SECONDS) -> None:
        super().__init__(scraped_seconds)
        self.threshold = threshold

    def recommended(self, fleet: Fleet, now: float) -> int:
        (waiting,) = self.seen(now, [fleet.waiting])
        return external_average(waiting, self.threshold, fleet.count)


class GpuUtilisation(_Scraped):
    """An HPA on GPUs' utilisation: whether anything runs on each when it is looked at."""

    def __init__(self, target: float = GPU_UTILISATION, scraped_seconds: float = SCRAPED_SECONDS) -> None:
        super().__init__(scraped_seconds)
        self.target = target

    def recommended(self, fleet: Fleet, now: float) -> int:
        busy = self.seen(now, [float(one.running > 0) for one in fleet.open])
        return pods_average(busy[: fleet.count], self.target, fleet.count)


class SmoothGpuUtilisation(_Scaled):
    """The same with a better eye than DCGM's: each GPU's busy time since the last look, without delay."""

    def __init__(self, target: float = GPU_UTILISATION) -> None:
        super().__init__(DEFAULT_BEHAVIOUR)
        self.target = target

    def recommended(self, fleet: Fleet, now: float) -> int:
        return pods_average(fleet.utilisations(now, self.every_seconds), self.target, fleet.count)


class Concurrency:
    """Knative's autoscaler, which KServe uses: requests in flight over a minute, and over six seconds when they are
    twice what ready replicas are for."""

    every_seconds = KNATIVE_TICK_SECONDS

    def __init__(self, target: float) -> None:
        self.target = target
        self.seen: deque[int] = deque(maxlen=round(KNATIVE_STABLE_SECONDS / KNATIVE_TICK_SECONDS))
        self.panic_until, self.panic_count = -math.inf, 0

    def wanted(self, now: float, fleet: Fleet) -> int:
        self.seen.append(fleet.in_flight)
        few = list(self.seen)[-round(KNATIVE_PANIC_SECONDS / KNATIVE_TICK_SECONDS) :]
        stable = math.ceil(sum(self.seen) / len(self.seen) / self.target)
        panic = math.ceil(sum(few) / len(few) / self.target)
        ready = max(1, len(fleet.open))
        if panic >= KNATIVE_PANIC_THRESHOLD * ready:
            if now > self.panic_until:
                self.panic_count = 0
            self.panic_until = now + KNATIVE_STABLE_SECONDS
        # No faster down than by half.
        wanted = max(stable, math.floor(ready / 2))
        if now <= self.panic_until:
            # While it panics it takes nothing away.
            self.panic_count = max(self.panic_count, wanted, panic, ready)
            return self.panic_count
        return wanted
