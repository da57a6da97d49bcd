"""What serves of the stack `onprem`, on nodes of the tests: three zones, and as many replicas as it begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tests.cluster.awaiting import missing
from tests.cluster.client import Client, eventually
from tests.cluster.expectations import expect
from tests.cluster.nodes import GPU_TAINT, ZONE, Pool
from tests.manifests import ROOT, objects, recorded
from tests.one_model import one_model

STACK = ROOT / "Pulumi.onprem.yaml"
ZONES = ("testland-1a", "testland-1b", "testland-1c")
PRODUCT = "nvidia.com/gpu.product"
# Nodes of the other zones are wanted less: where nothing spreads replicas, all of them are in the first.
LESS_WANTED = {"key": "tests/less-wanted", "value": "true", "effect": "PreferNoSchedule"}
GENERAL = Pool("general", ZONES)
GPU = Pool("gpu", ZONES, per_zone=2, gpus=1, labels={PRODUCT: "NVIDIA-L40S"})

Change = Callable[[dict[str, Any]], None]
Object = dict[str, Any]


def in_zones(*wanted: Pool) -> list[Pool]:
    """Pools of which the nodes in the first zone are wanted more than the others."""
    return [
        replace(pool, zones=zones, taints=[*([GPU_TAINT] if pool.gpus else []), *taints])
        for pool in wanted
        for zones, taints in ((ZONES[:1], []), (ZONES[1:], [LESS_WANTED]))
    ]


def rendered(*changes: Change) -> list[Object]:
    """What the stack registers for this cluster. A Deployment that an autoscaler owns has the autoscaler's least."""

    def on_this_cluster(deployment: dict[str, Any]) -> None:
        for site in deployment["sites"].values():
            site["platform"] |= {"zones": list(ZONES), "storage": dict.fromkeys(("weights", "audit"), "kwok-volume")}
            site["platform"]["gpu"] = {"products": {"L40S": GPU.labels[PRODUCT]}}
        if deployment["topology"]["kind"] != "ha":
            deployment["topology"] = {"kind": "ha"}
        one_model(deployment)
        for change in changes:
            change(deployment)

    found = objects(recorded(STACK, on_this_cluster))
    least = {"HorizontalPodAutoscaler": "minReplicas", "ScaledObject": "minReplicaCount"}
    begin = {
        one["spec"]["scaleTargetRef"]["name"]: one["spec"][least[one["kind"]]] for one in found if one["kind"] in least
    }
    for one in found:
        if one["kind"] == "Deployment" and one["metadata"]["name"] in begin:
            one["spec"]["replicas"] = begin[one["metadata"]["name"]]
    return found


@dataclass
class Deployed:
    """The stack in a cluster. `replicas` are those of its Deployments, by name: the gateway and the engines."""

    client: Client
    manifests: Sequence[Object]

    @property
    def deployments(self) -> Mapping[str, Object]:
        return {one["metadata"]["name"]: one for one in self.manifests if one["kind"] == "Deployment"}

    @property
    def replicas(self) -> Mapping[str, int]:
        return {name: one["spec"]["replicas"] for name, one in self.deployments.items()}

    @property
    def engines(self) -> Sequence[str]:
        return [name for name in self.deployments if name.startswith("engine-")]

    @property
    def namespace(self) -> str:
        return next(one["metadata"]["name"] for one in self.manifests if one["kind"] == "Namespace")

    def deploy(self) -> None:
        """Applies all of it, and asserts that it is admitted and every pod is where it belongs."""
        running = [one for one in self.manifests if one["kind"] in ("Deployment", "StatefulSet", "Job")]
        expect(
            self.client,
            self.manifests,
            {one["metadata"]["name"]: GPU if one["metadata"]["name"] in self.engines else GENERAL for one in running},
        )

    def whole(self) -> None:
        """Waits until every Deployment is as it is to be, and no pod of an older one is left."""
        for name in self.deployments:
            self.client.wait_for("apps/v1", "Deployment", name, self.namespace, self._is_whole, "whole again")

    def _is_whole(self, live: Object) -> bool:
        there = len(self.pods(live["metadata"]["name"]))
        return missing(self.client, live) is None and there == live["spec"]["replicas"]

    def pods(self, name: str) -> Sequence[Object]:
        """A Deployment's pods, those that are about to go among them."""
        return self.client.pods(self.namespace, selector(self.deployments[name]))

    def nodes(self, name: str) -> list[str]:
        """The node of each pod of a Deployment."""
        return [pod["spec"]["nodeName"] for pod in self.pods(name)]

    def zone_of(self, node: str) -> str:
        live = self.client.get("v1", "Node", node)
        assert live is not None
        return live["metadata"]["labels"][ZONE]

    def allowed_disruptions(self, name: str) -> int:
        """How many of its pods may be evicted now."""

        def seen(live: Object) -> bool:
            return live.get("status", {}).get("observedGeneration") == live["metadata"].get("generation")

        budget = self.client.wait_for("policy/v1", "PodDisruptionBudget", name, self.namespace, seen, "looked at")
        return budget["status"]["disruptionsAllowed"]

    def spread(self) -> None:
        """Over the zones again, as after the loss of a zone that is back: nothing moves replicas by itself, so that
        `kubectl rollout restart` is what a person does then."""
        self.whole()
        for name in self.deployments:
            zones = Counter(self.zone_of(node) for node in self.nodes(name))
            if max(zones.values()) - min(zones[zone] for zone in ZONES) > 1:
                again = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
                template = {"template": {"metadata": {"annotations": again}}}
                self.client.patch("apps/v1", "Deployment", name, {"spec": template}, self.namespace)
        self.whole()
        for name in self.deployments:  # its controller is a moment behind the pods
            eventually(lambda name=name: self.allowed_disruptions(name) > 0, f"the budget of {name} allows one")


def selector(deployment: Object) -> str:
    """What selects a Deployment's pods."""
    return ",".join(f"{label}={value}" for label, value in deployment["spec"]["selector"]["matchLabels"].items())
