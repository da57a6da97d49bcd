"""Replicas of several nodes on a real control plane: admitted, counted, and each group of nodes on one fast network.

LeaderWorkerSet's controller does not run here. Its part is played: pods are made from the set's templates with the
labels and variables that it gives them (`pod_webhook.go` and `pod_controller.go` of 0.8.0, read 2026-11-25).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import nodes
from tests.cluster.client import Client, Refused, eventually
from tests.cluster.conftest import GENERAL, ZONES, discard
from tests.cluster.expectations import expect
from tests.cluster.nodes import ZONE, Pool
from tests.golden.test_golden_manifests import FURTHER
from tests.manifests import objects, recorded

RACK = "example.com/rack"
PRODUCT = "NVIDIA-H100-80GB-HBM3"
# Two nodes in each of three racks, one in every zone: a group that is not kept together would be spread over them.
POOLS = tuple(
    Pool(
        f"rack-{zone[-1]}",
        (zone,),
        per_zone=2,
        gpus=8,
        cpu="200",
        memory="512Gi",
        labels={"nvidia.com/gpu.product": PRODUCT, RACK: zone[-1]},
    )
    for zone in ZONES
)
LWS = "leaderworkerset.sigs.k8s.io"
REPLICAS = 2


def manifests_in(namespace: str) -> list[dict[str, Any]]:
    """The stack in a namespace of a test's own: another's takes its time to go."""

    def on_this_cluster(deployment: dict[str, Any]) -> None:
        for site in deployment["sites"].values():
            site["platform"]["namespace"] = namespace
            site["platform"]["storage"] = {"weights": "kwok-volume", "audit": "kwok-volume"}

    return objects(recorded(FURTHER / "Pulumi.nodes.yaml", on_this_cluster))


@pytest.fixture
def racks(cluster: Client) -> Iterator[Client]:
    nodes.create(cluster, *POOLS)
    yield cluster
    nodes.remove(cluster, *POOLS)


def test_each_group_is_admitted_and_on_one_fast_network(racks: Client) -> None:
    manifests = manifests_in("groups")
    running = [one["metadata"]["name"] for one in manifests if one["kind"] in ("Deployment", "StatefulSet", "Job")]
    (group,) = [one for one in manifests if one["kind"] == "LeaderWorkerSet"]
    namespace, name = group["metadata"]["namespace"], group["metadata"]["name"]
    try:
        expect(racks, manifests, dict.fromkeys(running, GENERAL))
        for index in range(REPLICAS):
            for pod in pods_of(group, index):
                racks.apply(pod)
        selected = f"{LWS}/name={name}"
        eventually(lambda: len(_placed(racks, namespace, selected)) == REPLICAS * 2, "every node of each group runs")
        where = {one["metadata"]["name"]: one["metadata"]["labels"] for one in racks.list("v1", "Node")}
        found = [_group_and_node(pod) for pod in _placed(racks, namespace, selected)]
        racked = {group: {where[node][RACK] for of, node in found if of == group} for group, _ in found}
        assert all(len(racks_of) == 1 for racks_of in racked.values()), racked
        leaders = _placed(racks, namespace, "app.kubernetes.io/component=engine")
        assert len({where[pod["spec"]["nodeName"]][ZONE] for pod in leaders}) == REPLICAS, "replicas are in other zones"
        # Three replicas and one that takes over are counted; what an intruder would add is not.
        for index in range(REPLICAS, 4):
            for pod in pods_of(group, index):
                racks.apply(pod)
        with pytest.raises(Refused, match="exceeded quota"):
            racks.apply(pods_of(group, 4)[0])
    finally:
        discard(racks, namespace)


def test_the_set_is_scaled_by_its_own_subresource(cluster: Client) -> None:
    """What KEDA and an HPA ask for."""
    manifests = manifests_in("groups-scaled")
    (group,) = [one for one in manifests if one["kind"] == "LeaderWorkerSet"]
    (scaled,) = [one for one in manifests if one["kind"] == "ScaledObject"]
    target = scaled["spec"]["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"], target["name"]) == (
        group["apiVersion"],
        group["kind"],
        group["metadata"]["name"],
    )
    namespace = group["metadata"]["namespace"]
    try:
        for kind in ("Namespace", "LeaderWorkerSet"):
            cluster.apply(next(one for one in manifests if one["kind"] == kind))
        path = f"{cluster.kind(group['apiVersion'], group['kind']).path(namespace)}/{group['metadata']['name']}/scale"
        assert cluster.request("GET", path)["kind"] == "Scale"
    finally:
        discard(cluster, namespace)


def pods_of(group: dict[str, Any], index: int) -> list[dict[str, Any]]:
    """The pods of one group, as its controller would make them."""
    name, namespace = group["metadata"]["name"], group["metadata"]["namespace"]
    template = group["spec"]["leaderWorkerTemplate"]
    made: list[dict[str, Any]] = []
    for number in range(template["size"]):
        one = template["workerTemplate" if number else "leaderTemplate"]
        own = {"name": name, "group-index": str(index), "worker-index": str(number), "template-revision-hash": "one"}
        told = {"LWS_LEADER_ADDRESS": f"{name}-{index}.{name}.{namespace}", "LWS_WORKER_INDEX": str(number)}
        containers = [
            {**each, "env": [*each["env"], *({"name": key, "value": value} for key, value in told.items())]}
            for each in one["spec"]["containers"]
        ]
        made.append(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"{name}-{index}" + (f"-{number}" if number else ""),
                    "namespace": namespace,
                    "labels": one["metadata"]["labels"] | {f"{LWS}/{label}": value for label, value in own.items()},
                },
                "spec": {**one["spec"], "containers": containers},
            }
        )
    return made


def _placed(client: Client, namespace: str, selected: str) -> list[Any]:
    return [pod for pod in client.pods(namespace, selected) if pod["spec"].get("nodeName")]


def _group_and_node(pod: Any) -> tuple[str, str]:
    return pod["metadata"]["labels"][f"{LWS}/group-index"], pod["spec"]["nodeName"]
