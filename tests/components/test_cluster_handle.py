"""What only clusters that a cloud makes give: roles of pods, an identity agent that is reached, pull secrets, nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
import yaml

from infra.components.cluster_handle import ClusterAddresses, ClusterHandle, Source
from infra.components.front_door import front_door
from infra.components.serving_stack import ServingStack
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.nodes import NodeChoice
from infra.platforms.base import SiteSecrets
from tests.harness import deploy
from tests.manifests import objects, pod_templates
from tests.on_a_cluster import FILE, of_kind
from tests.one_model import one_model

AGENT = "169.254.170.23/32"


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    one_model(raw)
    plan = build_plan(validate(raw, "onprem", {}), "onprem").sites["datacentre"].details

    def program() -> None:
        provider = kubernetes.Provider("made", opts=pulumi.ResourceOptions())
        cluster = ClusterHandle(
            provider=provider,
            namespace="models",
            nodes=plan.nodes,
            gateway_nodes=NodeChoice(labels={"pool": "core"}, resources={}, tolerates="core"),
            addresses=ClusterAddresses(
                metadata_allowed=(AGENT,), dns_pods=None, dns=("10.0.0.10/32",), api_server=("10.0.0.1/32",)
            ),
            front_door=front_door("made", plan.front_door, "models"),
            identities={"gateway": {"eks.amazonaws.com/role-arn": "arn:gateway"}},
            prometheus=False,
            scalers=(Source(cidr="10.0.3.0/24"),),
            image_pull_secrets=("registry",),
        )
        secrets = SiteSecrets(key_hashes="{}", huggingface_token="", gateway_secrets="{}")
        ServingStack("made", replace(plan.serving, namespace="models"), secrets, cluster)

    return objects(deploy(program))


def policy(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return of_kind(found, "NetworkPolicy")[name]["spec"]


def test_only_its_own_account_has_a_workloads_role(found: list[dict[str, Any]]) -> None:
    accounts = of_kind(found, "ServiceAccount")
    assert accounts["gateway"]["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:gateway"}
    assert not [name for name, one in accounts.items() if name != "gateway" and "annotations" in one["metadata"]]


def test_whoever_goes_out_reaches_the_agent_that_gives_it_its_role(found: list[dict[str, Any]]) -> None:
    agent = {"to": [{"ipBlock": {"cidr": AGENT}}]}
    assert agent in policy(found, "allow-model-fetch")["egress"]
    assert agent not in policy(found, "allow-gateway")["egress"], "its file names nothing outside"
    assert not policy(found, "allow-engine")["egress"]


def test_names_and_the_api_are_at_the_addresses_that_are_known(found: list[dict[str, Any]]) -> None:
    out = [peer for rule in policy(found, "allow-gateway")["egress"] for peer in rule["to"]]
    assert {"ipBlock": {"cidr": "10.0.0.10/32"}} in out
    assert {"ipBlock": {"cidr": "10.0.0.1/32"}} in out
    assert not [peer for peer in out if "namespaceSelector" in peer]
    (scaler,) = [
        peer
        for rule in policy(found, "allow-gateway")["ingress"]
        for peer in rule["from"]
        if rule["ports"][0]["port"] == 9090
    ]
    assert scaler == {"ipBlock": {"cidr": "10.0.3.0/24"}}, "and nobody scrapes, where nobody is there to"


def test_pods_are_pulled_with_its_secret_and_put_on_its_nodes(found: list[dict[str, Any]]) -> None:
    for name, template, _ in pod_templates(found):
        spec = template["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry"}], name
        if "engine" not in name or "fetch" in name:
            assert spec["nodeSelector"] == {"pool": "core"}, name
            assert spec["tolerations"] == [{"key": "core", "operator": "Exists"}], name


def test_everything_is_in_its_namespace(found: list[dict[str, Any]]) -> None:
    inside = {one["metadata"].get("namespace") for one in found if one["kind"] not in ("Namespace", "PriorityClass")}
    assert inside == {"models"}
    assert {*of_kind(found, "PriorityClass")} == {"models-gateway", "models-engine", "models-shared-limits"}
