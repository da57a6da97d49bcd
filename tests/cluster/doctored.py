"""A cluster with all that the stack onprem needs, and each thing of it to take away: what doctor must tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from tests.cluster import custom_resources, nodes
from tests.cluster.client import Client, eventually
from tests.cluster.nodes import Pool
from tests.manifests import ROOT
from tests.one_model import one_model
from tools.kubernetes import modules, programs

ZONES = ("hall-1", "hall-2", "hall-3")
PLAIN = Pool("doctored", ZONES)
GPUS = Pool("doctored-gpu", ZONES, per_zone=2, gpus=2, labels={"nvidia.com/gpu.product": "NVIDIA-L40S"})
Object = Mapping[str, Any]


def plan_for(kubeconfig: Path, context: str, change: Callable[[Any], None] | None = None) -> DeploymentPlan:
    """What serves of the stack, but for what a user must fill in."""
    config = yaml.safe_load((ROOT / "Pulumi.onprem.yaml").read_text(encoding="utf-8"))["config"]
    text = json.dumps(config["slipway:deployment"]).replace("registry.example.com", "registry.slipway.internal")
    deployment = json.loads(text)
    one_model(deployment)
    platform = deployment["sites"]["datacentre"]["platform"]
    platform |= {"kubeconfig_path": str(kubeconfig), "context": context}
    platform["storage"]["limits"] = "disk"
    if change is not None:
        change(platform)
    return build_plan(validate(deployment, "case", {}), "onprem")


def prepared() -> list[Object]:
    """Objects of others, in the order in which they can be made."""
    return [
        *(_object("v1", "Namespace", name) for name in ("envoy-gateway-system", "monitoring", "keda")),
        _object("gateway.networking.k8s.io/v1", "GatewayClass", "envoy", spec={"controllerName": "tests/envoy"}),
        _object("cert-manager.io/v1", "ClusterIssuer", "internal", spec={"selfSigned": {}}),
        *(_storage_class(name, "nfs.csi.k8s.io", "Immediate") for name in ("fast", "replicated")),
        _storage_class("disk", "ebs.csi.aws.com", "WaitForFirstConsumer"),
        keda_operator("2.20.2"),
        _object(
            "v1",
            "Service",
            "kube-dns",
            "kube-system",
            spec={"selector": {"k8s-app": "kube-dns"}, "ports": [{"port": 53, "protocol": "UDP"}]},
        ),
        _workload("Deployment", "coredns", "kube-system", {"k8s-app": "kube-dns"}, "registry.k8s.io/coredns:1.13.1"),
        agent("calico-node"),
        METRICS,
    ]


def _object(api: str, kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


def _storage_class(name: str, provisioner: str, binds: str) -> dict[str, Any]:
    more = {"provisioner": provisioner, "volumeBindingMode": binds, "allowVolumeExpansion": True}
    return _object("storage.k8s.io/v1", "StorageClass", name, **more)


def _workload(kind: str, name: str, namespace: str, labels: Mapping[str, str], image: str) -> dict[str, Any]:
    pod = {"containers": [{"name": "main", "image": image}]}
    template = {"metadata": {"labels": dict(labels)}, "spec": pod}
    spec = {"selector": {"matchLabels": dict(labels)}, "template": template}
    return _object("apps/v1", kind, name, namespace, spec=spec)


def keda_operator(version: str) -> dict[str, Any]:
    image = f"ghcr.io/kedacore/keda:{version}"
    return _workload("Deployment", "keda-operator", "keda", {"app": "keda-operator"}, image)


def agent(name: str) -> dict[str, Any]:
    return _workload("DaemonSet", name, "kube-system", {"k8s-app": name}, "registry.example.com/agent:1")


# In the place of the metrics server, whose API this is: doctor asks whether it is served.
METRICS = _object(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "pods.metrics.k8s.io",
    spec={
        "group": "metrics.k8s.io",
        "names": {"kind": "PodMetrics", "plural": "pods", "singular": "pod", "listKind": "PodMetricsList"},
        "scope": "Namespaced",
        "versions": [
            {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
)
METRICS["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, tests only"}


def make(client: Client) -> None:
    """All of it, until controllers have said that it works."""
    nodes.create(client, PLAIN, GPUS)
    for one in prepared():
        client.apply(one)
    _accept(client)
    client.wait_for("apps/v1", "Deployment", "keda-operator", "keda", _is_ready, "ready")
    eventually(lambda: client.pods("kube-system", "k8s-app=kube-dns"), "pods that answer names")
    eventually(lambda: _serves(client, "metrics.k8s.io/v1beta1"), "the API of metrics")


def _accept(client: Client) -> None:
    now = "2026-11-25T00:00:00Z"
    accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": now}
    client.patch_status("gateway.networking.k8s.io/v1", "GatewayClass", "envoy", {"conditions": [accepted]})
    client.patch_status(
        "cert-manager.io/v1", "ClusterIssuer", "internal", {"conditions": [{**accepted, "type": "Ready"}]}
    )


def remove(client: Client) -> None:
    """All of it again: other tests here share the cluster."""
    for one in reversed(prepared()):
        metadata = one["metadata"]
        client.delete(one["apiVersion"], one["kind"], metadata["name"], metadata.get("namespace", ""))
    nodes.remove(client, PLAIN, GPUS)


@dataclass(frozen=True)
class Case:
    """Something that is taken away: `row` is what the table then says is missing, `words` are in what it says."""

    row: str
    words: str
    remedy: str
    without: Callable[[Client], Any]


@contextmanager
def _gone(client: Client, api: str, kind: str, name: str, namespace: str = "") -> Iterator[None]:
    before = client.get(api, kind, name, namespace)
    assert before is not None
    client.delete(api, kind, name, namespace)
    client.wait_gone(api, kind, name, namespace)
    try:
        yield
    finally:
        metadata = {
            key: before["metadata"][key]
            for key in ("name", "namespace", "labels", "annotations")
            if key in before["metadata"]
        }
        client.apply({**{k: v for k, v in before.items() if k != "status"}, "metadata": metadata})
        _accept(client)


def gone(api: str, kind: str, name: str, namespace: str = "") -> Callable[[Client], Any]:
    return lambda client: _gone(client, api, kind, name, namespace)


@contextmanager
def without_definition(client: Client) -> Iterator[None]:
    name, api, kind = "httproutes.gateway.networking.k8s.io", custom_resources.API_VERSION, custom_resources.KIND
    definitions = custom_resources.read(modules.folders(), programs.definitions())
    client.delete(api, kind, name)
    client.wait_gone(api, kind, name)
    eventually(lambda: "httproutes" not in _resources(client, "gateway.networking.k8s.io/v1"), "no longer served")
    try:
        yield
    finally:
        custom_resources.load(client, [one for one in definitions if one["metadata"]["name"] == name])
        eventually(lambda: "httproutes" in _resources(client, "gateway.networking.k8s.io/v1"), "served again")


@contextmanager
def without_nodes(client: Client, *pools: Pool) -> Iterator[None]:
    nodes.remove(client, *pools)
    try:
        yield
    finally:
        nodes.create(client, *pools)


@contextmanager
def instead(client: Client, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[None]:
    """Another object in the place of one."""
    at = before["metadata"]
    renamed = after["metadata"]["name"] != at["name"]
    if renamed:
        client.delete(before["apiVersion"], before["kind"], at["name"], at["namespace"])
    client.apply(after)
    try:
        yield
    finally:
        if renamed:
            client.delete(after["apiVersion"], after["kind"], after["metadata"]["name"], at["namespace"])
        client.apply(before)
        if before["kind"] == "Deployment":
            client.wait_for(before["apiVersion"], before["kind"], at["name"], at["namespace"], _is_ready, "ready")


@contextmanager
def with_quota(client: Client) -> Iterator[None]:
    quota = _object("v1", "ResourceQuota", "of-the-team", "slipway", spec={"hard": {"requests.nvidia.com/gpu": "2"}})
    client.apply(_object("v1", "Namespace", "slipway"))
    client.apply(quota)
    try:
        yield
    finally:
        client.delete("v1", "ResourceQuota", "of-the-team", "slipway")
        client.delete("v1", "Namespace", "slipway")
        client.wait_gone("v1", "Namespace", "slipway")


def _resources(client: Client, api: str) -> set[str]:
    return {one["name"] for one in client.request("GET", f"/apis/{api}")["resources"]}


def _serves(client: Client, api: str) -> bool:
    return any(
        api == version["groupVersion"]
        for group in client.request("GET", "/apis")["groups"]
        for version in group["versions"]
    )


def _is_ready(live: Mapping[str, Any]) -> bool:
    status = live.get("status", {})
    seen = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
    return bool(seen and status.get("readyReplicas") and status.get("updatedReplicas"))
