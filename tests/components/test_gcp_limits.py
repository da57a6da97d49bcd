"""Limits that are counted beside a cluster of Google's: the store's address, its authority, and who gateways are."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.platforms.gcp.component_limits import _certificates, _primary
from infra.problems import Refused
from tests.components.test_gcp_site import depends, named
from tests.harness import Recorder
from tests.manifests import recorded
from tests.on_gcp import FILE, Deployment, existing_network, inputs, memorystore, only, platform, registrations

STORE, POLICY = (
    "gcp:memorystore/instance:Instance",
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy",
)


def gateway_file(seen: Recorder) -> dict[str, Any]:
    maps = inputs(seen, "kubernetes:core/v1:ConfigMap").values()
    (content,) = [json.loads(one["data"]["gateway.json"]) for one in maps if "gateway.json" in one.get("data", {})]
    return content


def secret_of(seen: Recorder) -> dict[str, str]:
    (secret,) = [one for one in seen.of_type("kubernetes:core/v1:Secret") if one.name.endswith("shared-limits")]
    assert secret.is_secret("stringData")
    return secret.inputs["stringData"]["value"]


def test_gateways_get_the_address_and_the_authority_and_no_password() -> None:
    seen = registrations("memorystore")
    found = secret_of(seen)
    assert found["url"] == "rediss://10.60.128.9:6379/0", "who writes, and not a copy"
    assert found["ca.pem"]
    assert {*found} == {"url", "ca.pem"}
    store = gateway_file(seen)["limits_store"]
    assert store["ca_file"] == "/run/secrets/shared-limits/ca.pem"
    assert (store["token_from"], store["verify_host"], store["when_away"]) == ("metadata_server", False, "local")
    pod = inputs(seen, "kubernetes:apps/v1:Deployment")["main-serving-gateway"]["spec"]["template"]["spec"]
    (volume,) = [one["secret"] for one in pod["volumes"] if one["name"] == "shared-limits"]
    assert [item["key"] for item in volume["items"]] == ["url", "ca.pem"]
    assert not seen.of_type("kubernetes:apps/v1:StatefulSet"), "nobody counts in the cluster"


def test_gateways_are_the_account_that_the_store_lets_in() -> None:
    seen = registrations("memorystore")
    accounts = {
        one["metadata"]["name"]: one["metadata"].get("annotations")
        for one in inputs(seen, "kubernetes:core/v1:ServiceAccount").values()
    }
    name = "slipway-staging-main-gateway"
    assert accounts.pop("gateway") == {
        "iam.gke.io/gcp-service-account": f"{name}@example-staging.iam.gserviceaccount.com"
    }
    assert not any(accounts.values()), "nobody else is somebody of Google's"
    account = inputs(seen, "gcp:serviceaccount/account:Account")["main-gateway-account"]
    assert account["accountId"] == name
    deployment = named(seen, "kubernetes:apps/v1:Deployment", "main-serving-gateway")
    for kind, right in (("projects", "limits"), ("serviceaccount", "gateway")):
        assert depends(
            seen, deployment, named(seen, f"gcp:{kind}/iAMMember:IAMMember", f"main-gateway-account-{right}")
        )


def test_policies_let_gateways_to_the_store_and_to_who_says_who_they_are() -> None:
    def without_audit(deployment: Deployment) -> None:
        memorystore(deployment)
        deployment["gateway"]["audit"] = None

    for seen in (registrations("memorystore"), recorded(FILE, without_audit)):
        found = inputs(seen, "kubernetes:networking.k8s.io/v1:NetworkPolicy")["main-serving-isolation-gateway"]
        reached = {
            (peer["ipBlock"]["cidr"], port.get("port"))
            for rule in found["spec"]["egress"]
            for peer in rule["to"]
            if "ipBlock" in peer
            for port in rule.get("ports", [{}])
        }
        nodes = inputs(seen, "gcp:compute/subnetwork:Subnetwork")["main-network-nodes"]["ipCidrRange"]
        assert (nodes, 6379) in reached
        assert {("169.254.169.252/32", None), ("169.254.169.254/32", None)} <= reached


def test_the_store_is_let_into_the_network_before_it_is_made() -> None:
    seen = registrations("memorystore")
    (store,), (policy,) = seen.of_type(STORE), seen.of_type(POLICY)
    assert policy.urn in store.depends_on
    services = {one["service"] for one in inputs(seen, "gcp:projects/service:Service").values()}
    assert {"memorystore.googleapis.com", "networkconnectivity.googleapis.com"} <= services


def test_a_network_that_exists_has_its_owners_policy() -> None:
    def both(deployment: Deployment) -> None:
        existing_network(deployment)
        memorystore(deployment)

    seen = recorded(FILE, both)
    assert not seen.of_type(POLICY)
    (endpoint,) = only(seen, STORE)["desiredAutoCreatedEndpoints"]
    assert endpoint == {"network": "projects/example-staging/global/networks/shared", "projectId": "example-staging"}
    found = inputs(seen, "kubernetes:networking.k8s.io/v1:NetworkPolicy")["main-serving-isolation-gateway"]
    cidrs = {peer["ipBlock"]["cidr"] for rule in found["spec"]["egress"] for peer in rule["to"] if "ipBlock" in peer}
    assert "10.0.0.0/8" in cidrs
    account = inputs(seen, "gcp:secretmanager/secretIamMember:SecretIamMember")["main-identity-gateway-clients"]
    assert account["member"].startswith("serviceAccount:slipway-staging-main-gateway@")


def test_without_it_nothing_of_it_is_there() -> None:
    seen = registrations()
    assert not seen.of_type(STORE)
    assert not seen.of_type(POLICY)
    assert {*inputs(seen, "gcp:serviceaccount/account:Account")} == {"main-nodes"}
    services = {one["service"] for one in inputs(seen, "gcp:projects/service:Service").values()}
    assert "memorystore.googleapis.com" not in services


def test_what_is_unprotected_can_be_deleted() -> None:
    def unprotected(deployment: Deployment) -> None:
        memorystore(deployment)
        platform(deployment)["deletion_protection"] = False

    assert only(recorded(FILE, unprotected), STORE)["deletionProtectionEnabled"] is False
    (store,) = registrations("memorystore").of_type(STORE)
    assert store.protect


def test_every_authority_is_trusted_while_one_replaces_another() -> None:
    def authority(*texts: str) -> Any:
        chain = type("Chain", (), {"certificates": [*texts]})()
        return type("Authority", (), {"ca_certs": [chain]})()

    assert _certificates([authority("a\n", "b"), authority("c")]) == "a\nb\nc\n"
    assert _certificates([]) == ""
    with pytest.raises(pulumi.RunError, match="no address in the network"):
        _primary([])


def deployment(**more: Any) -> Any:
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    memorystore(content)
    return build_plan(validate({**content, **more}, "staging", {}), "staging")


def test_a_store_without_a_price_is_in_no_sum_and_a_budget_asks_for_it() -> None:
    made = deployment(budget=None)
    (line,) = [one for one in made.price.lines if one.item == "memorystore-highmem-medium"]
    assert (line.amount.min, line.dollars_per_month) == (2, None)
    with pytest.raises(Refused) as refused:
        deployment(budget={"dollars_per_month": 100_000})
    assert "memorystore-highmem-medium" in str([problem.found for problem in refused.value.problems])
    prices = [{"cloud": "gcp", "item": "memorystore-highmem-medium", "dollars": 0.2}]
    paid = deployment(budget={"dollars_per_month": 100_000}, pricing={"prices": prices})
    (line,) = [one for one in paid.price.lines if one.item == "memorystore-highmem-medium"]
    assert line.dollars_per_month
    assert line.dollars_per_month.min == pytest.approx(2 * 0.2 * 730)
