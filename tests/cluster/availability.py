"""Watches a namespace without a pause: how few replicas of each workload were ever available, and budgets broken.

Every change is looked at, so that nothing between two looks is missed: by the pods themselves, by what the Deployment's
controller says of them, and by what each disruption budget wants.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.cluster.client import Client

# A watch ends and goes on where it ended: as long as `__exit__` may take.
WATCH_SECONDS = 2
STOP_SECONDS = 60
KINDS = (("v1", "Pod"), ("apps/v1", "Deployment"), ("policy/v1", "PodDisruptionBudget"))

Object = dict[str, Any]


@dataclass
class Least:
    """The least that was seen of one workload: available pods, those of its status, and healthy pods beyond what its
    budget wants (below zero: the budget was broken). `most` is the most pods at once; `changes` is how many looks."""

    pods: int = 10_000
    status: int = 10_000
    beyond_budget: int = 10_000
    most: int = 0
    changes: int = 0


@dataclass
class Availability:
    """Use it as `with Availability(client, namespace, deployments) as seen:`, with their manifests by name; the figures
    are whole after the block."""

    client: Client
    namespace: str
    deployments: Mapping[str, Object]
    least: dict[str, Least] = field(default_factory=dict[str, Least])

    def __enter__(self) -> Availability:
        self.least = {name: Least() for name in self.deployments}
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._follow, args=kind, daemon=True) for kind in KINDS]
        self._lists = {kind: self.client.request("GET", self._path(*kind)) for kind in KINDS}
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)
            assert not thread.is_alive(), "a watch does not end"
        if self._failed and error is None:
            raise self._failed[0]

    def __str__(self) -> str:
        return "; ".join(
            f"{name}: available at least {seen.pods} (pods) and {seen.status} (status), at most {seen.most} pods, "
            f"{seen.beyond_budget} beyond its budget, {seen.changes} changes seen"
            for name, seen in self.least.items()
        )

    def _path(self, api_version: str, kind: str) -> str:
        return self.client.kind(api_version, kind).path(self.namespace)

    def _follow(self, api_version: str, kind: str) -> None:
        try:
            listed = self._lists[api_version, kind]
            version = listed["metadata"]["resourceVersion"]
            live: dict[str, Object] = {one["metadata"]["name"]: one for one in listed["items"]}
            look = self._looks()[kind]
            look(live)
            while True:
                last = self._stop.is_set()
                for event in self.client.watch(self._path(api_version, kind), WATCH_SECONDS, resourceVersion=version):
                    assert event["type"] != "ERROR", event["object"]
                    one = event["object"]
                    version = one["metadata"]["resourceVersion"]
                    if event["type"] == "DELETED":
                        live.pop(one["metadata"]["name"], None)
                    else:
                        live[one["metadata"]["name"]] = one
                    look(live)
                if last:  # it began after the end, so that nothing before the end is missing
                    return
        except BaseException as error:
            self._failed.append(error)

    def _looks(self) -> dict[str, Callable[[Mapping[str, Object]], None]]:
        return {"Pod": self._pods, "Deployment": self._deployments, "PodDisruptionBudget": self._budgets}

    def _pods(self, live: Mapping[str, Object]) -> None:
        for name, least in self.least.items():
            labels = self.deployments[name]["spec"]["selector"]["matchLabels"].items()
            own = [pod for pod in live.values() if labels <= pod["metadata"].get("labels", {}).items()]
            least.pods = min(least.pods, sum(map(is_available, own)))
            least.most = max(least.most, len([pod for pod in own if "deletionTimestamp" not in pod["metadata"]]))
            least.changes += 1

    def _deployments(self, live: Mapping[str, Object]) -> None:
        for name, least in self.least.items():
            if name in live:
                least.status = min(least.status, live[name].get("status", {}).get("availableReplicas", 0))

    def _budgets(self, live: Mapping[str, Object]) -> None:
        for name, least in self.least.items():
            status = live.get(name, {}).get("status", {})
            # One that its controller has not seen says nothing.
            if status.get("observedGeneration"):
                spare = status["currentHealthy"] - status["desiredHealthy"]
                least.beyond_budget = min(least.beyond_budget, spare)


def is_available(pod: Object) -> bool:
    """Whether it answers as far as anybody knows: ready, and not about to go."""
    conditions = {entry["type"]: entry["status"] for entry in pod.get("status", {}).get("conditions") or []}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
