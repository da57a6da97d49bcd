"""`expect` passes for a gateway and a GPU engine that are right, and tells each thing that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster import manifests
from tests.cluster.client import Client
from tests.cluster.conftest import GENERAL, GPU
from tests.cluster.expectations import expect

POOLS = {"gateway": GENERAL, "chat": GPU}


def stack(name: str) -> dict[str, dict[str, Any]]:
    """A gateway on three zones and an engine on two GPUs, by what each object is."""
    return {
        # The order is not the one in which they can be applied.
        "chat": manifests.deployment("chat", name, 2, manifests.pod_spec(gpus=1)),
        "gateway": manifests.deployment("gateway", name, 3, manifests.pod_spec()),
        "service": manifests.service("gateway", name, 8080),
        "namespace": manifests.namespace(name),
    }


def test_a_gateway_and_a_gpu_engine(cluster: Client, namespace: str) -> None:
    pods = expect(cluster, [*stack(namespace).values()], POOLS)
    assert {name: len(found) for name, found in pods.items()} == {"gateway": 3, "chat": 2}


def test_replicas_that_an_autoscaler_owns(cluster: Client, namespace: str) -> None:
    objects = stack(namespace)
    del objects["gateway"]["spec"]["replicas"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gateway"}
    objects["scaling"] = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "gateway", "namespace": namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5},
    }
    pods = expect(cluster, [*objects.values()], POOLS)
    assert len(pods["gateway"]) == 2


def test_a_refused_object_and_every_other_one(cluster: Client, namespace: str) -> None:
    objects = stack(namespace)
    objects["chat"]["spec"]["template"]["spec"]["tolerationz"] = []
    objects["service"]["spec"]["ports"][0]["port"] = 0
    with pytest.raises(AssertionError) as failed:
        expect(cluster, [*objects.values()], POOLS)
    assert "Deployment chat:" in str(failed.value)
    assert "tolerationz" in str(failed.value)
    assert "Service gateway:" in str(failed.value)
    assert "spec.ports[0].port" in str(failed.value)


def test_a_namespace_that_does_not_enforce(cluster: Client, namespace: str) -> None:
    objects = stack(namespace)
    objects["namespace"]["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "baseline"}
    with pytest.raises(AssertionError, match="enforce is baseline"):
        expect(cluster, [*objects.values()], POOLS)
    del objects["namespace"]
    with pytest.raises(AssertionError, match=f"Service gateway: namespace {namespace} is not among them"):
        expect(cluster, [*objects.values()], POOLS)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is never placed is given up on soon."""
    monkeypatch.setattr("tests.cluster.expectations.PLACED_SECONDS", 5.0)


@pytest.mark.usefixtures("soon")
def test_a_pod_that_pod_security_refuses(cluster: Client, namespace: str) -> None:
    objects = stack(namespace)
    del objects["gateway"]["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"]
    with pytest.raises(AssertionError, match="0 of 3 pods of Deployment gateway run") as failed:
        expect(cluster, [*objects.values()], POOLS)
    assert 'violates PodSecurity "restricted' in str(failed.value)
    assert "runAsNonRoot != true" in str(failed.value)


@pytest.mark.usefixtures("soon")
def test_an_engine_that_does_not_tolerate_the_taint(cluster: Client, namespace: str) -> None:
    objects = stack(namespace)
    del objects["chat"]["spec"]["template"]["spec"]["tolerations"]
    with pytest.raises(AssertionError, match="0 of 2 pods of Deployment chat run") as failed:
        expect(cluster, [*objects.values()], POOLS)
    assert "untolerated taint" in str(failed.value)


def test_a_gateway_on_gpu_nodes(cluster: Client, namespace: str) -> None:
    objects = stack(namespace)
    on_gpus = manifests.pod_spec(nodeSelector={"tests/pool": "gpu"}, tolerations=[{"operator": "Exists"}])
    objects["gateway"] = manifests.deployment("gateway", namespace, 3, on_gpus)
    with pytest.raises(AssertionError, match="of pool gpu, not general"):
        expect(cluster, [*objects.values()], POOLS)


def test_an_engine_in_one_zone(cluster: Client, namespace: str) -> None:
    objects = stack(namespace)
    zone = GPU.zones[0]
    one_zone = manifests.pod_spec(gpus=1, nodeSelector={"topology.kubernetes.io/zone": zone})
    objects["chat"] = manifests.deployment("chat", namespace, 2, one_zone)
    del objects["chat"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    with pytest.raises(AssertionError, match=rf"chat: 2 in {zone}, 0 in"):
        expect(cluster, [*objects.values()], POOLS)


def test_a_workload_that_nobody_expects(cluster: Client, namespace: str) -> None:
    with pytest.raises(AssertionError, match="differ by chat"):
        expect(cluster, [*stack(namespace).values()], {"gateway": GENERAL})
