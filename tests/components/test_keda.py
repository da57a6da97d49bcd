"""KEDA as sites of clouds install it: before what it scales, with few rights, and the only one that asks gateways."""

from __future__ import annotations

from typing import Any

import pytest

from tests import on_aws, on_gcp
from tests.harness import Recorder

RELEASE, SCALED = "kubernetes:helm.sh/v3:Release", "kubernetes:keda.sh/v1alpha1:ScaledObject"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
SITES = {
    "aws": (on_aws.registrations, "no_way_out"),
    "gcp": (on_gcp.registrations, "every_way_to_buy"),
}


@pytest.fixture(params=SITES)
def seen(request: pytest.FixtureRequest) -> Recorder:
    return SITES[request.param][0]()


@pytest.fixture(params=SITES)
def without(request: pytest.FixtureRequest) -> Recorder:
    registrations, variant = SITES[request.param]
    return registrations(variant)


def told(seen: Recorder) -> dict[str, Any]:
    return next(one for one in on_aws.inputs(seen, RELEASE).values() if one["name"] == "keda")["values"]


def who_asks(seen: Recorder) -> list[dict[str, Any]]:
    """Whom gateways let ask at the port where they say how much there is to do."""
    (policy,) = [one for one in on_aws.inputs(seen, POLICY).values() if one["metadata"]["name"] == "allow-gateway"]
    return [rule["from"] for rule in policy["spec"]["ingress"] if {"port": 9090, "protocol": "TCP"} in rule["ports"]]


def test_it_is_there_before_what_it_scales_and_goes_with_the_cluster(seen: Recorder) -> None:
    (release,) = [one for one in seen.of_type(RELEASE) if one.inputs["name"] == "keda"]
    assert (release.inputs["chart"], release.inputs["version"]) == ("keda", "2.20.2")
    assert release.inputs["namespace"] == "keda"
    assert release.deleted_with
    stack = next(one for one in seen.seen if one.name == "main-serving")
    assert release.urn in stack.depends_on
    (scaled,) = seen.of_type(SCALED)
    assert scaled.inputs["spec"]["scaleTargetRef"]["name"] == "engine-chat"


def test_it_alone_asks_gateways_and_nobody_does_where_it_is_not(seen: Recorder, without: Recorder) -> None:
    of_keda = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}]
    assert of_keda in who_asks(seen)
    assert of_keda not in who_asks(without)
    assert not without.of_type(SCALED)
    assert not [one for one in without.of_type(RELEASE) if one.inputs["name"] == "keda"]


def test_it_reads_no_secret_but_its_own(seen: Recorder) -> None:
    assert {part: one["restrict"]["secret"] for part, one in told(seen)["permissions"].items()} == {
        "operator": True,
        "metricServer": True,
    }
    (rights,) = [one["rules"] for one in told(seen)["extraObjects"] if one["kind"] == "ClusterRole"]
    assert rights == [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]}
    ]


def test_it_scales_what_is_there_to_scale() -> None:
    assert not told(on_aws.registrations())["rbac"]["scaledRefKinds"]
    (kind,) = told(on_aws.registrations("fabric"))["rbac"]["scaledRefKinds"]
    assert kind == {"apiGroup": "leaderworkerset.x-k8s.io", "kind": "leaderworkersets"}


def test_a_key_that_it_shows_to_gateways_is_one_that_it_may_read() -> None:
    def with_a_key(deployment: on_aws.Deployment) -> None:
        deployment["gateway"]["scaling"] = {"key": {"secret": "scaling"}}

    controllers = on_aws.plan_of("as_it_ships", with_a_key).sites["main"].details.controllers
    assert {*controllers["keda"].values["permissions"]} == {"metricServer"}


def test_a_cold_standby_is_at_zero_and_whoever_comes_starts_it() -> None:
    first, details = (on_aws.plan_of("as_it_ships").sites[site].details for site in ("main", "west"))
    scaling = details.serving.engines["chat"].scaling
    assert (scaling.kind, scaling.min_replicas) == ("keda", 0)
    # What is refused while there is no replica has come all the same: it is counted, and that is not zero.
    assert scaling.target_per_second is not None
    assert details.gateway_config["models"]["chat"]["demand"]["wakes"]
    assert "wakes" not in first.gateway_config["models"]["chat"]["demand"]
    assert "hold" not in details.gateway_config["models"]["chat"]
