"""Experiment 36: what people change by hand in the cluster is found, all of it and nothing else, and taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.client import Client
from tests.engine.stacks.deployed import Deployed
from tests.engine.stacks.places import RealControlPlane

pytestmark = pytest.mark.timeout(400)

NAMESPACE = "slipway"
LABEL = "app.kubernetes.io/part-of"


@dataclass(frozen=True)
class Edit:
    """One edit by somebody else: a merge patch, or the object deleted. `at`: where to look for it."""

    api_version: str
    kind: str
    name: str
    patch: Mapping[str, Any] | None = None
    at: tuple[str, ...] = ()

    def apply(self, client: Client) -> None:
        if self.patch is None:
            assert client.delete(self.api_version, self.kind, self.name, NAMESPACE)
            client.wait_gone(self.api_version, self.kind, self.name, NAMESPACE)
        else:
            client.patch(self.api_version, self.kind, self.name, dict(self.patch), NAMESPACE)

    def seen(self, client: Client) -> Any:
        """What the edit changes, as it is now; None where the object is not there."""
        value: Any = client.get(self.api_version, self.kind, self.name, NAMESPACE)
        for key in self.at if value is not None else ():
            value = value[key]
        return bool(value) if not self.at else value


def _spec(name: str, value: Any) -> dict[str, Any]:
    return {"patch": {"spec": {name: value}}, "at": ("spec", name)}


def _pod(name: str, value: Any) -> dict[str, Any]:
    return {"patch": {"spec": {"template": {"spec": {name: value}}}}, "at": ("spec", "template", "spec", name)}


def _label(value: str) -> dict[str, Any]:
    return {"patch": {"metadata": {"labels": {LABEL: value}}}, "at": ("metadata", "labels", LABEL)}


RBAC, NETWORK, GATEWAY_API = "rbac.authorization.k8s.io/v1", "networking.k8s.io/v1", "gateway.networking.k8s.io/v1"
ENFORCED = "pod-security.kubernetes.io/enforce"
EDITS = (
    Edit(
        "v1", "Namespace", NAMESPACE, {"metadata": {"labels": {ENFORCED: "baseline"}}}, ("metadata", "labels", ENFORCED)
    ),
    Edit(
        "v1", "ServiceAccount", "engine-chat", {"automountServiceAccountToken": True}, ("automountServiceAccountToken",)
    ),
    Edit(
        RBAC, "Role", "gateway", {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}]}, ("rules",)
    ),
    Edit(RBAC, "RoleBinding", "gateway"),
    Edit(NETWORK, "NetworkPolicy", "default-deny"),
    Edit(NETWORK, "NetworkPolicy", "allow-engine", **_spec("ingress", [{}])),
    Edit("v1", "ResourceQuota", "site", **_spec("hard", {"requests.nvidia.com/gpu": "99"})),
    Edit("v1", "LimitRange", "site"),
    Edit("v1", "Secret", "client-keys", {"data": {"web": "Ym9v"}}, ("data", "web")),
    Edit("v1", "Secret", "engine-key"),
    Edit("v1", "ConfigMap", "gateway", {"data": {"gateway.json": "{}"}}, ("data",)),
    Edit("v1", "ConfigMap", "slipway-dashboards"),
    Edit("v1", "Service", "gateway", **_spec("selector", {"app.kubernetes.io/name": "somebody-elses"})),
    Edit("policy/v1", "PodDisruptionBudget", "gateway", **_label("somebody")),
    Edit("policy/v1", "PodDisruptionBudget", "engine-chat"),
    Edit("autoscaling/v2", "HorizontalPodAutoscaler", "gateway", **_spec("maxReplicas", 99)),
    Edit("apps/v1", "StatefulSet", "shared-limits", **_spec("replicas", 0)),
    Edit("apps/v1", "Deployment", "gateway", **_pod("terminationGracePeriodSeconds", 20)),
    Edit("keda.sh/v1alpha1", "ScaledObject", "engine-chat", **_spec("maxReplicaCount", 99)),
    Edit(GATEWAY_API, "HTTPRoute", "front-door-https"),
)
# Not drift: what the program does not set is others' to set.
THEIRS = Edit("apps/v1", "Deployment", "engine-chat", {"metadata": {"labels": {"theirs": "yes"}}})


def _image(client: Client) -> str:
    live = client.get("apps/v1", "Deployment", "engine-chat", NAMESPACE)
    assert live is not None
    return live["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.fixture
def client(onprem: Deployed) -> Client:
    assert isinstance(onprem.place, RealControlPlane)
    return onprem.place.client


def _logical_names(deployed: Deployed) -> Callable[[Edit], str]:
    names = {
        (one["inputs"]["kind"], one["id"].rpartition("/")[2]): one["urn"].rsplit("::", 1)[-1]
        for one in deployed.resources()
        if one["type"].startswith("kubernetes:")
    }
    return lambda edit: names[edit.kind, edit.name]


def test_twenty_edits_are_found_and_taken_back_and_nothing_else(onprem: Deployed, client: Client) -> None:
    assert len(EDITS) == 20
    assert not onprem.planned("--refresh")
    name = _logical_names(onprem)
    before = [edit.seen(client) for edit in EDITS]
    for edit in (*EDITS, THEIRS):
        edit.apply(client)
    assert [edit for edit, was in zip(EDITS, before, strict=True) if edit.seen(client) == was] == []

    found = onprem.planned("--refresh")
    assert found == {
        "create": frozenset(name(edit) for edit in EDITS if edit.patch is None),
        "update": frozenset(name(edit) for edit in EDITS if edit.patch is not None),
    }
    printed = onprem.pulumi("refresh", "--preview-only")  # what the workflow `drift` shows
    assert "7 to delete" in printed
    assert "13 to update" in printed

    onprem.up("--refresh")
    assert [edit for edit, was in zip(EDITS, before, strict=True) if edit.seen(client) != was] == []
    theirs = client.get("apps/v1", "Deployment", "engine-chat", NAMESPACE)
    assert theirs is not None
    assert theirs["metadata"]["labels"]["theirs"] == "yes"
    assert not onprem.planned("--refresh")
    assert not onprem.place.wrong(onprem.checkout, onprem.resources())


def test_an_image_that_somebody_rolled_out_by_hand_is_rolled_back(onprem: Deployed, client: Client) -> None:
    """As `kubectl set image` does it: a strategic patch, which a merge patch cannot do to one item of a list."""
    ours = _image(client)
    path = client.kind("apps/v1", "Deployment").path(NAMESPACE, "engine-chat")
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "engine", "image": "example.test/other"}]}}}}
    strategic = "application/strategic-merge-patch+json"
    client.request("PATCH", path, patch, strategic, {"fieldManager": "kubectl-set"})
    assert _image(client) != ours
    onprem.up("--refresh")
    assert _image(client) == ours
