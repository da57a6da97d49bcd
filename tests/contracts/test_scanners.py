"""What ships is scanned: checkov finds nothing without a reason, and Kubernetes' strict schemas nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from infra.render.hidden_pods import hidden_pods
from infra.render.kubernetes import is_object, manifests
from infra.render.registrations import Registration
from infra.render.stack import registrations
from infra.render.terraform.plan import of_a_cloud
from tests import on_aws, on_gcp
from tests.golden.test_golden_manifests import EVERY_STACK as STACKS
from tests.harness import deploy
from tests.on_a_cluster import VARIANTS
from tests.on_a_cluster import registrations as variant
from tools.scanners import scan as scanning
from tools.scanners.checkov import Finding
from tools.scanners.install import installed
from tools.scanners.scan import Scan, accepted, report, scan, unexplained

scanned = pytest.mark.skipif(
    installed() is None, reason="no scanners: `tools/scanners/install` puts them into .tools (600 MB)"
)
# Others' kinds: no Kubernetes has a schema of them. tests/cluster holds them against their definitions.
CUSTOM = {
    "cert-manager.io/v1 Certificate",
    "cloud.google.com/v1 ComputeClass",
    "eks.amazonaws.com/v1 NodeClass",
    "eks.amazonaws.com/v1 TargetGroupBinding",
    "elbv2.k8s.aws/v1beta1 TargetGroupBinding",
    "external-secrets.io/v1 ExternalSecret",
    "gateway.networking.k8s.io/v1 Gateway",
    "gateway.networking.k8s.io/v1 HTTPRoute",
    "karpenter.sh/v1 NodePool",
    "keda.sh/v1alpha1 ScaledObject",
    "leaderworkerset.x-k8s.io/v1 LeaderWorkerSet",
    "monitoring.coreos.com/v1 PodMonitor",
    "monitoring.coreos.com/v1 PrometheusRule",
    "networking.gke.io/v1 GCPBackendPolicy",
    "networking.gke.io/v1 GCPGatewayPolicy",
    "networking.gke.io/v1 HealthCheckPolicy",
    "secrets-store.csi.x-k8s.io/v1 SecretProviderClass",
}


@cache
def shipped(stack: str) -> list[Registration]:
    return registrations(STACKS[stack], stack)


EVERY: dict[str, Callable[[], list[Registration]]] = {
    **{f"stack {stack}": lambda stack=stack: shipped(stack) for stack in STACKS},
    **{f"variant {name}": lambda name=name: variant(name).seen for name in VARIANTS if name != "as_it_ships"},
    **{
        f"on AWS, {name}": lambda name=name: on_aws.registrations(name).seen
        for name in ("existing_network", "over_a_vpn", "accepts_a_peering", "asks_for_certificates")
    },
    **{
        f"on Google Cloud, {name}": lambda name=name: on_gcp.registrations(name).seen
        for name in ("existing_network", "memorystore", "peered")
    },
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scan]:
    """One scan of each, whichever tests ask."""

    @cache
    def of(name: str) -> Scan:
        python = installed()
        assert python
        return scan(python, EVERY[name](), tmp_path_factory.mktemp("scan"))

    return of


@scanned
@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_found_without_a_reason(name: str, results: Callable[[str], Scan]) -> None:
    result = results(name)
    print(report(name, result))
    assert unexplained(result.found, accepted()) == []
    if any(map(is_object, EVERY[name]())):
        assert result.kubernetes.passed > 90
        assert result.kubernetes.resources > 25
    clouds = [one for one in EVERY[name]() if of_a_cloud(one)]
    assert result.clouds.resources == len(clouds)
    # Of a service of Cloud Run, of addresses and of records checkov has nothing to say, and of a cluster much.
    assert result.clouds.passed >= len(clouds) // 2


@scanned
@pytest.mark.parametrize("name", EVERY)
def test_every_object_is_as_the_schemas_say(name: str, results: Callable[[str], Scan]) -> None:
    assert results(name).wrong == ()
    assert results(name).unknown <= CUSTOM


@scanned
def test_no_reason_and_no_custom_kind_is_kept_for_nothing(results: Callable[[str], Scan]) -> None:
    every = [results(name) for name in EVERY]
    assert {(one.check, one.resource) for result in every for one in result.found} >= {*accepted()}
    assert frozenset[str]().union(*(result.unknown for result in every)) == CUSTOM


def test_a_finding_needs_a_reason_of_its_own() -> None:
    found = [Finding("CKV_1", "a", "x"), Finding("CKV_1", "b", "x"), Finding("CKV_2", "a", "x")]
    reasons = {("CKV_1", "a"): "it is so", ("CKV_2", "a"): ""}
    assert unexplained(found, reasons) == [Finding("CKV_1", "b", "x"), Finding("CKV_2", "a", "x")]


CONTAINER: dict[str, Any] = {"name": "c", "image": "example.com/image:latest", "securityContext": {"privileged": True}}
POD: dict[str, Any] = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER]}}


def named(name: str, **metadata: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "n", **metadata}


def bad() -> None:
    """One of everything that must not pass."""
    under = pulumi.ResourceOptions(parent=pulumi.ComponentResource("slipway:kubernetes:Site", "here"))
    kubernetes.apps.v1.Deployment(
        "workload",
        metadata=named("workload"),
        spec={"selector": {"matchLabels": {"a": "b"}}, "template": POD},
        opts=under,
    )
    kubernetes.apiextensions.CustomResource(
        "group",
        api_version="leaderworkerset.x-k8s.io/v1",
        kind="LeaderWorkerSet",
        metadata=named("group"),
        spec={"leaderWorkerTemplate": {"leaderTemplate": POD, "workerTemplate": POD, "size": 2}},
        opts=under,
    )
    skip = {"checkov.io/skip1": "CKV_K8S_16=because"}
    kubernetes.core.v1.Pod("skips", metadata=named("skips", annotations=skip), spec=POD["spec"], opts=under)
    kubernetes.core.v1.Service("type", metadata=named("type"), spec={"ports": [{"port": "eighty"}]}, opts=under)
    kubernetes.core.v1.Service("field", metadata=named("field"), spec={"selektor": {}}, opts=under)


@pytest.fixture(scope="module")
def worst(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    python = installed()
    assert python
    return scan(python, deploy(bad).seen, tmp_path_factory.mktemp("bad"))


@scanned
def test_checkov_bites(worst: Scan) -> None:
    checks = {one.check for one in worst.kubernetes.failed if one.resource == "Deployment.n.workload"}
    assert {"CKV_K8S_16", "CKV_K8S_14", "CKV_K8S_43", "CKV_K8S_22"} <= checks
    assert {*worst.kubernetes.failed} <= {*unexplained(worst.found, accepted())}


@scanned
def test_checkov_bites_inside_a_custom_resource(worst: Scan) -> None:
    assert worst.pods == 2
    of = {one.resource for one in worst.kubernetes.failed if one.check == "CKV_K8S_16"}
    assert of == {"Deployment.n.workload", "Pod.n.leaderworkerset-group-0", "Pod.n.leaderworkerset-group-1"}
    assert worst.unknown == {"leaderworkerset.x-k8s.io/v1 LeaderWorkerSet"}


def test_pods_of_kubernetes_own_kinds_are_not_taken_twice() -> None:
    assert [one["kind"] for one in hidden_pods(manifests(deploy(bad).seen)).values()] == ["Pod", "Pod"]


@scanned
def test_a_skip_in_a_manifest_needs_a_reason_of_ours_too(worst: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    (skipped,) = worst.kubernetes.skipped
    assert (skipped.check, skipped.resource) == ("CKV_K8S_16", "Pod.n.skips")
    assert skipped in unexplained(worst.found, {})
    monkeypatch.setattr(scanning, "accepted", lambda: {("CKV_K8S_16", skipped.resource): "it is so"})
    assert f"accepted  CKV_K8S_16 {skipped.resource}: it is so" in report("s", worst)


@scanned
def test_the_schemas_bite(worst: Scan) -> None:
    for version in ("1.31", "1.37"):
        wrong = [line for line in worst.wrong if f"version {version}" in line]
        assert [line for line in wrong if "service-field.yaml" in line and "selektor" in line]
        assert [line for line in wrong if "service-type.yaml" in line and "eighty" in line]


@scanned
def test_what_a_stack_on_aws_gives_up_is_found(tmp_path: Path) -> None:
    python = installed()
    assert python
    result = scan(python, on_aws.registrations("one_site").seen, tmp_path)
    assert {(one.check, one.resource) for one in unexplained(result.found, accepted())} == {
        ("CKV2_AWS_28", "aws_lb.main-door-balancer"),  # no firewall
        ("CKV_AWS_150", "aws_lb.main-door-balancer"),  # no protection
        ("CKV_AWS_39", "aws_eks_cluster.main-cluster-control-plane"),  # an API that everybody reaches
    }


@scanned
def test_checkov_reads_clouds_and_their_references(tmp_path: Path) -> None:
    aws = pytest.importorskip("pulumi_aws", reason="no pulumi-aws: `tools/python/install aws` installs it")

    def program() -> None:
        good, _bad = (aws.s3.Bucket(name, bucket=name) for name in ("good", "bad"))
        aws.s3.BucketVersioning("v", bucket=good.id, versioning_configuration={"status": "Enabled"})

    python = installed()
    assert python
    result = scan(python, deploy(program).seen, tmp_path)
    assert {one.resource for one in result.clouds.failed if one.check == "CKV_AWS_21"} == {"aws_s3_bucket.bad"}
