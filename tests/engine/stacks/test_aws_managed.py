"""`prod` on node groups of ours: up, upgraded in order, nothing to change, nothing left. Charts are named only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds.managed_cluster import EKS
from tests.engine.stacks.cloud_place import CloudWithCluster
from tests.engine.stacks.conftest import stand_in_aws
from tests.engine.stacks.deployed import Deployed
from tests.engine.stacks.rows import PROD, Deployment, ExampleStack, unprotected

pytestmark = pytest.mark.timeout(600)


def on_node_groups(deployment: Deployment) -> None:
    unprotected(deployment)
    own = deployment["sites"]["main"]["platform"]
    own |= {"nodes": {"kind": "managed", "purchase": ["on_demand"]}, "kubernetes_version": "1.34"}


def upgraded(deployment: Deployment) -> None:
    deployment["sites"]["main"]["platform"]["kubernetes_version"] = "1.35"


MANAGED = ExampleStack("prod", PROD.place, PROD.client, on_node_groups)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWithCluster]:
    with stand_in_aws(tmp_path_factory.mktemp("managed")) as made:
        yield made


def test_node_groups_come_with_their_controllers_and_go_without_a_trace(
    place: CloudWithCluster, tmp_path: Path
) -> None:
    deployed = Deployed(MANAGED, place, tmp_path / "checkout")
    try:
        groups = place.cloud.of_type("aws:eks/nodeGroup:NodeGroup")
        assert {group["name"] for group in groups} == {
            f"main-groups-{pool}-on-demand-{zone}" for pool in ("gateway", "l40s-1") for zone in "abd"
        }
        releases = [one for one in deployed.resources() if one["type"] == "kubernetes:helm.sh/v3:Release"]
        kept = [one for one in place.client.list("v1", "Secret") if one.get("type") == "helm.sh/release.v1"]
        assert {one["id"] for one in releases} == {
            *(f"kube-system/{name}" for name in ("aws-load-balancer-controller", "cluster-autoscaler")),
            "keda/keda",
        }
        assert len(kept) == len(releases)
        (binding,) = [one for one in deployed.resources() if one["type"].endswith(":TargetGroupBinding")]
        assert binding["inputs"]["apiVersion"] == f"{EKS.kinds[-1][1]}/{EKS.kinds[-1][2]}"
        assert not place.wrong(deployed.checkout, deployed.resources())
        assert not deployed.planned("--refresh")
        _upgrade(deployed)
        (scaler,) = [one["urn"] for one in releases if one["id"].endswith("/cluster-autoscaler")]
        deployed.pulumi("destroy", "--yes", "--skip-preview", "--target", scaler, "--target-dependents")
        assert place.client.get("v1", "Secret", "sh.helm.release.v1.cluster-autoscaler.v1", "kube-system") is None
        assert scaler.rpartition("::")[2] in deployed.planned()["create"]
        deployed.take_down()
        assert not place.made()
    finally:
        deployed.checkout.close()


def _upgrade(deployed: Deployed) -> None:
    """The control plane first, then what runs on each node, then nodes."""
    deployed.checkout.change(upgraded)
    deployed.up()
    resources = deployed.resources()

    def changed(kind: str) -> list[str]:
        return sorted(one["modified"] for one in resources if one["type"] == kind)

    (cluster,) = changed("aws:eks/cluster:Cluster")
    addons = {one["inputs"]["addonName"]: one for one in resources if one["type"] == "aws:eks/addon:Addon"}
    assert {one["inputs"]["addonVersion"] for one in addons.values()} == {"v1.35.0-eksbuild.1"}
    first = sorted(addons[name]["modified"] for name in ("vpc-cni", "kube-proxy", "eks-pod-identity-agent"))
    groups = changed("aws:eks/nodeGroup:NodeGroup")
    assert cluster < first[0] <= first[-1] < groups[0]
    assert {one["inputs"]["version"] for one in resources if one["type"] == "aws:eks/nodeGroup:NodeGroup"} == {"1.35"}
    assert not deployed.planned()
