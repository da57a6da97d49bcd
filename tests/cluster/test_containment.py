"""What is blocked in a cluster is an object of its own: made once, changed by whoever saw it last, told to gateways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.containment.base import Blocked
from infra.plan.types import SitePlan
from infra.platforms.kubernetes.containment import CONTAINMENT, STAMP
from infra.problems import Refused
from tests.cluster import doctored
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane

pytest.importorskip("kubernetes", reason="no client of Kubernetes: tools/python/install kubernetes installs it")
NAMESPACE = "/api/v1/namespaces/slipway"
CONFIG_MAP = f"{NAMESPACE}/configmaps/gateway-contained"


@pytest.fixture
def client(control_plane: ControlPlane) -> Iterator[Client]:
    client = control_plane.client()
    client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "slipway"}})
    spec = {"containers": [{"name": "gateway", "image": "x"}], "automountServiceAccountToken": False}
    client.request("POST", f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "gateway"}})
    for name, labels in (("gateway-1", {"app.kubernetes.io/name": "gateway"}), ("engine-1", {})):
        body = {"metadata": {"name": name, "labels": labels}, "spec": spec | {"serviceAccountName": "gateway"}}
        client.request("POST", f"{NAMESPACE}/pods", body)
    yield client
    client.request("DELETE", "/api/v1/namespaces/slipway")


def test_it_is_made_changed_and_told(client: Client, control_plane: ControlPlane) -> None:
    plan: SitePlan = doctored.plan_for(control_plane.kubeconfig, "tests").sites["datacentre"]

    def write(**blocked: Any) -> str:
        return CONTAINMENT.change("onprem", "datacentre", plan, None, lambda _: blocked)[1]

    assert CONTAINMENT.read("onprem", "datacentre", plan, None) == {}
    assert write(clients=("web",)) == "1 gateway told: they know within seconds"
    live = client.request("GET", CONFIG_MAP)
    assert json.loads(live["data"]["contained.json"]) == {"clients": ["web"]}
    assert live["metadata"]["labels"]["app.kubernetes.io/managed-by"] != "pulumi"
    annotations = {
        pod["metadata"]["name"]: pod["metadata"].get("annotations", {})
        for pod in client.request("GET", f"{NAMESPACE}/pods")["items"]
    }
    assert STAMP in annotations["gateway-1"]
    assert STAMP not in annotations["engine-1"]
    assert CONTAINMENT.read("onprem", "datacentre", plan, None)["clients"] == ("web",)
    write(clients=(), models=("chat",))
    assert CONTAINMENT.read("onprem", "datacentre", plan, None)["models"] == ("chat",)

    def meanwhile(before: Blocked) -> Blocked:
        found = client.request("GET", CONFIG_MAP)
        client.request("PUT", CONFIG_MAP, found | {"data": {"contained.json": json.dumps({"clients": ["other"]})}})
        return {**before, "clients": ("web",)}

    with pytest.raises(Refused) as refused:
        CONTAINMENT.change("onprem", "datacentre", plan, None, meanwhile)
    assert "run this again" in str(refused.value)
    assert CONTAINMENT.read("onprem", "datacentre", plan, None)["clients"] == ("other",), "theirs is not lost"
