"""EKS add-ons of a site: which version, and in which order they, the cluster and its nodes follow an upgrade."""

from __future__ import annotations

from typing import Any

import pytest

from infra.problems import Refused
from infra.render import recorder
from infra.render.recorder import Recorder
from tests.manifests import recorded
from tests.on_aws import FILE, Deployment, inputs, managed, plan_of, platform

ADDON, GROUP, CLUSTER = "aws:eks/addon:Addon", "aws:eks/nodeGroup:NodeGroup", "aws:eks/cluster:Cluster"
# These run on each node; the others are pods that need nodes, which a group that waited for them would not have.
ON_EACH = {"vpc-cni", "kube-proxy", "eks-pod-identity-agent"}
NAMED = {"coredns": "v1.13.2-eksbuild.4"}


@pytest.fixture
def eks(monkeypatch: pytest.MonkeyPatch) -> None:
    """EKS has other defaults for each version of Kubernetes."""
    echo: Any = getattr(recorder, "_Echo")  # noqa: B009 - of the harness alone
    before = echo.call

    def call(self: Any, args: Any) -> Any:
        if args.token != "aws:eks/getAddonVersion:getAddonVersion":
            return before(self, args)
        return {**args.args, "version": f"v{args.args['kubernetesVersion']}.9-eksbuild.1"}, []

    monkeypatch.setattr(echo, "call", call)


def deployed(version: str, **addon_versions: str) -> Recorder:
    def changed(deployment: Deployment) -> None:
        managed(deployment)
        platform(deployment).update(kubernetes_version=version, addon_versions=addon_versions)

    return recorded(FILE, changed)


def versions(seen: Recorder) -> dict[str, str]:
    return {one["addonName"]: one["addonVersion"] for one in inputs(seen, ADDON).values()}


@pytest.mark.usefixtures("eks")
def test_an_upgrade_takes_add_ons_with_it_but_those_that_are_named() -> None:
    before, after = (versions(deployed(version, **NAMED)) for version in ("1.34", "1.35"))
    assert {*before} == {*after} >= {*ON_EACH, "coredns", "metrics-server", "aws-ebs-csi-driver"}
    assert before.pop("coredns") == after.pop("coredns") == NAMED["coredns"]
    assert {*before.values()} == {"v1.34.9-eksbuild.1"}
    assert {*after.values()} == {"v1.35.9-eksbuild.1"}


@pytest.mark.usefixtures("eks")
def test_add_ons_come_after_the_cluster_and_what_runs_on_each_node_before_nodes() -> None:
    seen = deployed("1.35")
    (cluster,) = seen.of_type(CLUSTER)
    addons = {inputs(seen, ADDON)[one.name]["addonName"]: one for one in seen.of_type(ADDON)}
    assert all(cluster.urn in one.property_dependencies["clusterName"] for one in addons.values())
    groups = seen.of_type(GROUP)
    assert groups
    every = {one.urn: one for one in seen.seen}
    for group in groups:
        waits, one = {*group.depends_on}, group
        while one.parent in every:
            one = every[one.parent]
            waits |= {*one.depends_on}
        assert {name for name, addon in addons.items() if addon.urn in waits} == ON_EACH
        assert group.inputs["version"] == "1.35"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"kube-proxi": "v1.35.0-eksbuild.2"}, "did you mean `kube-proxy`"),
        ({"aws-mountpoint-s3-csi-driver": "v2.0.0-eksbuild.1"}, "which is no add-on of a site with such nodes"),
        ({"kube-proxy": "v1.36.0-eksbuild.1"}, "`v1.36.0-eksbuild.1`, on a cluster of Kubernetes 1.35"),
        ({"kube-proxy": "v1.31.9-eksbuild.1"}, "or one of the 3 before it"),
        ({"kube-proxy": "1.35"}, "`1.35`"),
    ],
)
def test_versions_that_cannot_be(named: dict[str, str], said: str) -> None:
    with pytest.raises(Refused) as refused:
        plan_of("managed", lambda deployment: platform(deployment).update(addon_versions=named))
    assert said in str(refused.value)
    assert str(refused.value).startswith("1 problem")


def test_the_plan_says_which_are_named_and_which_are_asked_for() -> None:
    named = {"kube-proxy": "v1.34.2-eksbuild.1"}
    plan = plan_of("managed", lambda deployment: platform(deployment).update(addon_versions=named))
    said = plan.sites["main"].summary["add-ons"]
    assert said.startswith("kube-proxy v1.34.2-eksbuild.1; metrics-server, ")
    assert said.endswith("as EKS has them for 1.35 on the day of a deployment")
    assert "kube-proxy," not in said
