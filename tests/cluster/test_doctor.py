"""Doctor on a real control plane: green where all is there, and one row, its own, for each thing that is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.doctor.before import refuse_halfway
from infra.doctor.examine import examine
from infra.doctor.finding import Finding, State
from infra.plan.types import DeploymentPlan
from infra.problems import Refused
from tests.cluster import doctored, nodes
from tests.cluster.client import Client, eventually
from tests.cluster.conftest import GENERAL, GPU
from tests.cluster.control_plane import ControlPlane
from tests.cluster.doctored import GPUS, ZONES, Case, gone
from tests.cluster.nodes import Pool
from tests.manifests import ROOT

pytest.importorskip("kubernetes", reason="no client of Kubernetes: tools/python/install kubernetes installs it")
GPU_LABEL = "nvidia.com/gpu.product"


@pytest.fixture(scope="module")
def whole(control_plane: ControlPlane) -> Iterator[Client]:
    """A cluster where nothing is missing, and no node that other tests brought."""
    client = control_plane.client()
    others = [pool for pool in (GENERAL, GPU) if client.get("v1", "Node", pool.nodes()[0]["metadata"]["name"])]
    nodes.remove(client, *others)
    doctored.make(client)
    yield client
    doctored.remove(client)
    nodes.create(client, *others)


@pytest.fixture
def plan(control_plane: ControlPlane) -> DeploymentPlan:
    return doctored.plan_for(control_plane.kubeconfig, "tests")


def rows(plan: DeploymentPlan) -> list[Finding]:
    return [one for findings in examine(plan).values() for one in findings]


def missing(plan: DeploymentPlan) -> list[Finding]:
    return [one for one in rows(plan) if one.state is State.MISSING]


def everything(client: Client) -> dict[str, str]:
    """The version of every object, but for what controllers and nodes write by themselves all the time, and for
    namespaces that other tests have left to be taken away."""
    found = [
        (kind.name, one["metadata"].get("namespace", ""), one["metadata"])
        for kind in client.kinds()
        if kind.name not in ("Lease", "Event", "Node", "ComponentStatus")
        for one in client.request("GET", kind.path(None))["items"]
    ]
    left = {metadata["name"] for kind, _, metadata in found if kind == "Namespace" and "deletionTimestamp" in metadata}
    return {
        f"{kind} {namespace}/{metadata['name']}": metadata["resourceVersion"]
        for kind, namespace, metadata in found
        if namespace not in left and (kind != "Namespace" or metadata["name"] not in left)
    }


def test_a_cluster_with_everything_is_green_and_stays_as_it_is(whole: Client, plan: DeploymentPlan) -> None:
    before = everything(whole)
    found = {one.what: one for one in rows(plan)}
    # The domain is nobody's yet: its address is known only after the first deployment.
    assert {what: one.found for what, one in found.items() if one.state is not State.OK} == {
        "domain llm.example.com": "has no address yet"
    }
    after = everything(whole)
    assert {name: version for name, version in before.items() if name in after} == after
    assert found["Pod Security"].found.startswith("refuses")
    assert found["nodes for l40s-1"].found.startswith("6 nodes, room for 12 of 3 to 7 pods")
    for what in ("rights", "KEDA", "cert-manager", "Gateway API", "GatewayClass envoy", "zones", "network policies"):
        assert what in found


CASES = {
    "a definition": Case(
        "Gateway API", "no HTTPRoute (gateway.networking.k8s.io/v1)", "install Gateway API", doctored.without_definition
    ),
    "a class of gateways": Case(
        "GatewayClass envoy",
        "not there",
        "`front_door.gateway_class`",
        gone("gateway.networking.k8s.io/v1", "GatewayClass", "envoy"),
    ),
    "an issuer": Case(
        "ClusterIssuer internal",
        "not there",
        "`front_door.tls_issuer`",
        gone("cert-manager.io/v1", "ClusterIssuer", "internal"),
    ),
    "a storage class": Case(
        "volume for the audit",
        "no StorageClass `replicated`; there are: disk, fast",
        "`storage.audit`",
        gone("storage.k8s.io/v1", "StorageClass", "replicated"),
    ),
    "nodes with GPUs": Case(
        "nodes for l40s-1",
        "no node offers `nvidia.com/gpu`",
        "device plugin",
        lambda client: doctored.without_nodes(client, GPUS),
    ),
    "who answers names": Case(
        "names inside", "no Service kube-system/kube-dns", "CoreDNS", gone("v1", "Service", "kube-dns", "kube-system")
    ),
    "a new KEDA": Case(
        "KEDA operator",
        "version 2.17.0, 2.20.2 or newer is needed",
        "upgrade it to 2.20.2",
        lambda client: doctored.instead(client, doctored.keda_operator("2.20.2"), doctored.keda_operator("2.17.0")),
    ),
    "a network that enforces policies": Case(
        "network policies",
        "flannel enforces none",
        "Calico",
        lambda client: doctored.instead(client, doctored.agent("calico-node"), doctored.agent("kube-flannel-ds")),
    ),
    "the API of metrics": Case(
        "API metrics.k8s.io/v1beta1",
        "not served",
        "metrics server",
        gone("apiextensions.k8s.io/v1", "CustomResourceDefinition", "pods.metrics.k8s.io"),
    ),
    "a quota that is enough": Case(
        "quota of-the-team", "requests.nvidia.com/gpu 2, 7 needed", "raise it", doctored.with_quota
    ),
    "a namespace that may come in": Case(
        "Namespace monitoring", "not there", "`prometheus_namespace`", gone("v1", "Namespace", "monitoring")
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_what_is_taken_away_is_the_one_thing_that_is_missing(whole: Client, plan: DeploymentPlan, what: str) -> None:
    case = CASES[what]
    with case.without(whole):
        (found,) = missing(plan)
        assert found.what == case.row
        assert case.words in found.found
        assert case.remedy in found.remedy
    eventually(lambda: not missing(plan), "green again")


def test_a_deployment_stops_before_it_makes_anything_that_a_cluster_does_not_know(
    whole: Client, plan: DeploymentPlan
) -> None:
    refuse_halfway(plan)
    with doctored.without_definition(whole), pytest.raises(Refused) as refused:
        refuse_halfway(plan)
    (problem,) = refused.value.problems
    assert problem.where == "slipway:deployment.sites.datacentre.platform"
    assert problem.found.startswith("Gateway API: no HTTPRoute (gateway.networking.k8s.io/v1)")
    assert "install Gateway API" in problem.remedy


def test_a_zone_without_nodes(whole: Client, plan: DeploymentPlan) -> None:
    last = ZONES[-1:]
    plain = Pool(doctored.PLAIN.name, last)
    gpus = Pool(GPUS.name, last, per_zone=GPUS.per_zone, gpus=GPUS.gpus, labels=GPUS.labels)
    with doctored.without_nodes(whole, plain, gpus):
        found = {one.what: one for one in missing(plan)}
        assert {*found} == {"zones", "nodes for gateways: zones", "nodes for l40s-1: zones"}
        assert "no ready node is in hall-3; there are: hall-1 (3 nodes), hall-2 (3 nodes)" in found["zones"].found
    eventually(lambda: not missing(plan), "green again")


def test_gpus_of_another_kind(whole: Client, control_plane: ControlPlane) -> None:
    def other(platform: Any) -> None:
        platform["gpu"] = {"products": {"L40S": "NVIDIA-H100"}}

    (found,) = missing(doctored.plan_for(control_plane.kubeconfig, "tests", other))
    assert found.found == f"no node has {GPU_LABEL}=NVIDIA-H100; those with GPUs have NVIDIA-L40S (6 nodes)"
    assert "`gpu.products`" in found.remedy


def limited(client: Client, control_plane: ControlPlane, tmp_path: Path) -> Path:
    """A kubeconfig of somebody who may do everything but scaling by requests, and only read namespaces."""
    rules = [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": [
                *("", "apps", "batch", "policy", "autoscaling", "rbac.authorization.k8s.io", "networking.k8s.io"),
                *("scheduling.k8s.io", "gateway.networking.k8s.io", "cert-manager.io", "monitoring.coreos.com"),
            ],
            "resources": ["*"],
            "verbs": ["create", "patch", "delete"],
        },
    ]
    rbac = "rbac.authorization.k8s.io"
    client.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer", "namespace": "default"}}
    )
    client.apply({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": "deployer"}, "rules": rules})
    client.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "deployer"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "deployer"},
            "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": "default"}],
        }
    )
    token = client.request("POST", "/api/v1/namespaces/default/serviceaccounts/deployer/token", {"spec": {}})
    config = json.loads(control_plane.kubeconfig.read_text())
    config["users"] = [{"name": "admin", "user": {"token": token["status"]["token"]}}]
    path = tmp_path / "kubeconfig.json"
    path.write_text(json.dumps(config))
    return path


def test_a_right_that_is_not_there(whole: Client, control_plane: ControlPlane, tmp_path: Path) -> None:
    try:
        plan = doctored.plan_for(limited(whole, control_plane, tmp_path), "tests")
        (found,) = missing(plan)
        user = "system:serviceaccount:default:deployer"
        assert found.what == "rights"
        assert found.found == f"{user} may not create, patch, delete: scaledobjects.keda.sh"
        assert found.remedy == (
            f"have an administrator bind {user} to a Role in slipway with these verbs on these resources"
        )
    finally:
        for kind in ("ClusterRoleBinding", "ClusterRole"):
            whole.delete("rbac.authorization.k8s.io/v1", kind, "deployer")
        whole.delete("v1", "ServiceAccount", "deployer", "default")


def test_where_the_namespace_is_there_a_privileged_pod_is_refused(whole: Client, plan: DeploymentPlan) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    whole.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "slipway", "labels": labels}})
    try:
        whole.wait_for("v1", "ServiceAccount", "default", "slipway", lambda live: True, "there")
        found = {one.what: one for one in rows(plan)}["Pod Security"]
        assert (found.state, found.found) == (State.OK, "refuses a privileged pod in slipway (dry run)")
        assert not whole.pods("slipway")
    finally:
        whole.delete("v1", "Namespace", "slipway")
        whole.wait_gone("v1", "Namespace", "slipway")


def test_a_cluster_that_is_away_is_one_row(control_plane: ControlPlane, tmp_path: Path) -> None:
    config = json.loads(control_plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    path = tmp_path / "away.json"
    path.write_text(json.dumps(config))
    (found,) = missing(doctored.plan_for(path, "tests"))
    assert found.what == "cluster"
    assert "refused" in found.found
    (found,) = missing(doctored.plan_for(path, "other"))
    assert "other" in found.found
    assert path.read_text() == json.dumps(config), "a kubeconfig is somebody's: it is never written"


def test_the_command_tells_by_its_status(whole: Client, control_plane: ControlPlane, tmp_path: Path) -> None:
    """As `make doctor` runs it: the shipped stack, whose registry is an example's."""
    config = json.loads(control_plane.kubeconfig.read_text())
    config["contexts"] = [{"name": "datacentre", "context": {"cluster": "tests", "user": "admin"}}]
    path = tmp_path / "kubeconfig.json"
    path.write_text(json.dumps(config))
    ran = subprocess.run(
        [sys.executable, "-m", "infra", "doctor", "--stack", "onprem", "--format", "json"],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": str(path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    said = json.loads(ran.stdout)
    assert said["missing"] is True
    assert [one["what"] for one in said["findings"] if one["state"] == "missing"] == ["images of registry.example.com"]
