"""The HorizontalPodAutoscaler's arithmetic, as Kubernetes has it, and KEDA's part in it.

Read in kubernetes/kubernetes `pkg/controller/podautoscaler` (`replica_calculator.go`, `horizontal.go`) and in
https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/ (2026-11). Between one and many
replicas a ScaledObject *is* an HPA: KEDA answers its question for the metric, and neither its polling interval nor its
cool-down has a part in it (https://keda.sh/docs/latest/reference/scaledobject-spec/).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

# `--horizontal-pod-autoscaler-sync-period` and `--horizontal-pod-autoscaler-tolerance`, as they are by default.
SYNC_SECONDS = 15.0
TOLERANCE = 0.1
# What a HorizontalPodAutoscaler does whose `behavior` says nothing.
DEFAULT_BEHAVIOUR: Mapping[str, Any] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    },
}


def external_average(total: float, target: float, current: int) -> int:
    """An external metric with an AverageValue: of all replicas, also those that are not ready."""
    if abs(1 - total / (target * current)) <= TOLERANCE:
        return current
    return math.ceil(total / target)


def pods_average(values: Sequence[float], target: float, current: int) -> int:
    """A metric of pods: of ready ones. Those that start count as idle when it is to be more, and as on target when it
    is to be less."""
    missing = current - len(values)
    if not values:
        return current
    ratio = sum(values) / len(values) / target
    if not missing:
        return current if abs(1 - ratio) <= TOLERANCE else math.ceil(ratio * len(values))
    with_all = (sum(values) + (missing * target if ratio < 1 else 0)) / current / target
    if abs(1 - with_all) <= TOLERANCE or (ratio < 1) != (with_all < 1):
        return current
    return math.ceil(with_all * current)


class Stabiliser:
    """What becomes of a recommendation: the windows look back, and policies bound how fast it goes."""

    def __init__(self, behaviour: Mapping[str, Any]) -> None:
        self.behaviour = behaviour
        self.seen: list[tuple[float, int]] = []
        self.changes: list[tuple[float, int]] = []

    def decided(self, now: float, recommended: int, current: int, least: int, most: int) -> int:
        """How many replicas there shall be from now on."""
        up, down = self.behaviour["scaleUp"], self.behaviour["scaleDown"]
        windows = (up["stabilizationWindowSeconds"], down["stabilizationWindowSeconds"])
        self.seen = [(at, count) for at, count in self.seen if at > now - max(windows)]
        lowest = min((count for at, count in self.seen if at > now - windows[0]), default=recommended)
        highest = max((count for at, count in self.seen if at > now - windows[1]), default=recommended)
        self.seen.append((now, recommended))
        stable = current
        stable = max(stable, min(recommended, lowest))
        stable = min(stable, max(recommended, highest))
        bounded = min(max(stable, least), most)
        if bounded > current:
            bounded = min(bounded, max(self._limits(up, now, current, 1)))
            bounded = max(bounded, current)
        elif bounded < current:
            bounded = max(bounded, min(self._limits(down, now, current, -1)))
            bounded = min(bounded, current)
        if bounded != current:
            self.changes.append((now, bounded - current))
        return bounded

    def _limits(self, rules: Mapping[str, Any], now: float, current: int, way: int) -> list[int]:
        """What each policy allows, from how many there were when its period began."""
        found: list[int] = []
        for policy in rules["policies"]:
            since = current - sum(change for at, change in self.changes if at > now - policy["periodSeconds"])
            if policy["type"] == "Pods":
                found.append(since + way * policy["value"])
            elif way > 0:
                found.append(math.ceil(since * (1 + policy["value"] / 100)))
            else:
                found.append(math.floor(since * (1 - policy["value"] / 100)))
        return found
