"""What doctor looks for on a cluster, from plans alone: exactly the kinds that a deployment makes, and its pods."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.platforms.kubernetes.created import created
from infra.platforms.kubernetes.needs import ClusterNeeds, cluster_needs
from infra.platforms.kubernetes.plan import KubernetesSitePlan
from infra.platforms.kubernetes.quantity import quantity
from tests.golden.test_golden_manifests import STACKS as FILES
from tests.manifests import ROOT, objects, recorded
from tests.on_a_cluster import VARIANTS, platform


def with_claims(deployment: Any) -> None:
    """GPUs by dynamic resource allocation, weights in an image, and somebody who scales shows a key."""
    own = platform(deployment)
    own["gpu"] = {"sharing": {"L40S": {"kind": "claim"}}}
    own["weight_images"] = {"chat": f"registry.internal/chat@sha256:{'5' * 64}"}
    deployment["gateway"]["scaling"] = {"key": {"secret": "scaling"}}


CHANGES = {**VARIANTS, "with_claims": with_claims}
ONPREM = ROOT / "Pulumi.onprem.yaml"


def details(path: Path, change: Any = None) -> KubernetesSitePlan:
    deployment = copy.deepcopy(yaml.safe_load(path.read_text(encoding="utf-8"))["config"]["slipway:deployment"])
    if change is not None:
        change(deployment)
    (site,) = build_plan(validate(deployment, "case", {}), "case").sites.values()
    return site.details


def needs(change: Any = None) -> ClusterNeeds:
    return cluster_needs(details(ONPREM, change))


@pytest.mark.parametrize("name", [*CHANGES, "microservice", "monolith", "nodes"])
def test_it_looks_for_every_kind_that_is_made_and_for_no_other(name: str) -> None:
    path, change = (FILES[name], None) if name in FILES else (ONPREM, CHANGES[name])
    made = {(one["apiVersion"], one["kind"]) for one in objects(recorded(path, change))}
    assert {(kind.api_version, kind.kind) for kind in created(details(path, change))} == made


def test_pods_ask_for_what_their_containers_ask_for() -> None:
    for name, pods in {one.name: one for one in needs().pods}.items():
        workload = {"gateways": "gateway", "l40s-1": "engine-chat"}[name]
        (manifest,) = [
            one
            for one in objects(recorded(ONPREM))
            if one["kind"] == "Deployment" and one["metadata"]["name"] == workload
        ]
        containers = manifest["spec"]["template"]["spec"]["containers"]
        asked = {
            resource: sum(quantity(one["resources"]["requests"][resource]) for one in containers)
            for resource in pods.demand
        }
        assert asked == pods.demand


def test_replicas_at_rest_and_at_most() -> None:
    assert {one.name: (one.least, one.most) for one in needs().pods} == {"gateways": (3, 12), "l40s-1": (6, 14)}


def test_volumes_by_what_is_kept_in_them() -> None:
    found = {one.what: (one.storage_class, one.access_modes) for one in needs().volumes}
    assert found == {
        "the audit": ("replicated", ("ReadWriteMany",)),
        "what clients have used": (None, ("ReadWriteOnce",)),
        "weights of chat": ("fast", ("ReadWriteMany",)),
        "weights of chat-next": ("fast", ("ReadWriteMany",)),
    }


def test_objects_of_others_by_name() -> None:
    names = {variant: {f"{one.what} {one.name}" for one in needs(change).named} for variant, change in CHANGES.items()}
    assert names["as_it_ships"] == {
        "GatewayClass envoy",
        "ClusterIssuer internal",
        "Namespace envoy-gateway-system",
        "Namespace monitoring",
        "Namespace keda",
    }
    assert names["ingress_and_zones"] == {"IngressClass nginx", "Secret llm", "Secret keys-of-clients"}
    assert names["inside_only"] == {"ClusterSecretStore vault", "Namespace monitoring", "Namespace keda"}
    assert "CSIDriver secrets-store.csi.k8s.io" in names["several_models"]
    assert "DeviceClass gpu.nvidia.com" in names["with_claims"]


def test_versions_follow_what_is_used() -> None:
    assert needs().least_version == (1, 31)
    assert needs(with_claims).least_version == (1, 35)


def test_apis_of_metrics_and_keda_only_where_they_are_read() -> None:
    assert needs().metrics_apis == ("metrics.k8s.io/v1beta1",)
    assert needs().keda_namespace == "keda"
    without = needs(VARIANTS["ingress_and_zones"])
    assert without.metrics_apis == ("metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta1")
    assert without.keda_namespace is None


def test_every_image_is_looked_at() -> None:
    assert {*needs().images} == {"gateway", "valkey", "engine-chat", "engine-chat-next"}
    assert "weights of chat" in needs(with_claims).images


@pytest.mark.parametrize(
    ("text", "amount"), [("500m", 0.5), ("16", 16), ("64Gi", 64 * 2**30), ("1k", 1000), (2, 2), ("1.5Mi", 1.5 * 2**20)]
)
def test_amounts_are_read_as_kubernetes_writes_them(text: str | int, amount: float) -> None:
    assert quantity(text) == amount
