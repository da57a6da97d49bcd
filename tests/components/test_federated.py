"""Federated rounds of a cluster as registered: who reaches the coordinator with what, and what a site brings along."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.policy.rule import broken
from infra.policy.rules import RULES
from tests.manifests import objects, recorded
from tests.on_a_cluster import FILE, Deployment, of_kind, resources

IMAGE = f"registry.example.com/team/tuning@sha256:{'5' * 64}"
NAME = "making-chat-refresh"
COMMON = {"kind": "lora_job", "image": IMAGE, "version": "shared", "evaluation": "facts"}
MAKINGS = {"app.kubernetes.io/component": "making"}
OWN = {**MAKINGS, "app.kubernetes.io/name": NAME}


def coordinates(raw: Deployment) -> None:
    address = "coordinator.example.com:443"
    federated = {"rounds": 3, "sites": ["office", "ships"], "address": address, "sources": ["203.0.113.0/24"]}
    raw["models"]["chat"]["refresh"] = {**COMMON, "federated": federated}


def inside(raw: Deployment) -> None:
    address = f"{NAME}.slipway.svc:9443"
    raw["models"]["chat"]["refresh"] = {
        **COMMON,
        "federated": {"rounds": 3, "sites": ["office", "ships"], "address": address},
    }


def takes_part(raw: Deployment) -> None:
    joins = {"coordinator": "coordinator.example.com:443", "site": "ships", "invitation_secret": "from-office"}
    raw["models"]["chat"]["refresh"] = {**COMMON, "data_claim": "ships", "joins": joins}


@pytest.fixture(scope="module")
def coordinator() -> list[dict[str, Any]]:
    return objects(recorded(FILE, coordinates))


@pytest.fixture(scope="module")
def site() -> list[dict[str, Any]]:
    return objects(recorded(FILE, takes_part))


def tool_and_volumes(found: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    pod = of_kind(found, "CronJob")[NAME]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    tool = next(one for one in pod["initContainers"] if one["name"] == "tool")
    others = [one for one in (*pod["initContainers"], *pod["containers"]) if one is not tool]
    assert not any(mount["name"] == "invitations" for one in others for mount in one["volumeMounts"])
    mounts = {mount["mountPath"]: mount for mount in tool["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["volumes"]}
    return tool, {path: volumes[mount["name"]] | {"readOnly": mount.get("readOnly")} for path, mount in mounts.items()}


def told(found: list[dict[str, Any]]) -> dict[str, Any]:
    return json.loads(of_kind(found, "ConfigMap")[NAME]["data"]["tuning.json"])


def test_sites_reach_the_coordinator_while_its_tool_runs(coordinator: list[dict[str, Any]]) -> None:
    spec = of_kind(coordinator, "Service")[NAME]["spec"]
    assert spec["selector"] == OWN
    assert spec["ports"] == [{"name": "grpc", "port": 443, "targetPort": 9443}]
    # The pod is ready when its engine is, long after the rounds.
    assert spec["publishNotReadyAddresses"] is True
    # What leads others to it is the user's.
    assert spec["type"] == "ClusterIP"
    pod = of_kind(coordinator, "CronJob")[NAME]["spec"]["jobTemplate"]["spec"]["template"]
    assert OWN.items() <= pod["metadata"]["labels"].items()


def test_nobody_else_does(coordinator: list[dict[str, Any]]) -> None:
    policy = of_kind(coordinator, "NetworkPolicy")[f"allow-{NAME}"]["spec"]
    assert (policy["podSelector"]["matchLabels"], "egress" in policy) == (OWN, False)
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 9443}]
    namespaces, outside = rule["from"]
    assert namespaces == {"namespaceSelector": {}, "podSelector": {"matchLabels": MAKINGS}}
    assert outside == {"ipBlock": {"cidr": "203.0.113.0/24"}}


def test_without_ranges_it_is_reached_from_inside_alone() -> None:
    found = objects(recorded(FILE, inside))
    (rule,) = of_kind(found, "NetworkPolicy")[f"allow-{NAME}"]["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {}, "podSelector": {"matchLabels": MAKINGS}}]


def test_the_coordinator_has_no_data_and_what_its_sites_are_known_by(coordinator: list[dict[str, Any]]) -> None:
    _, mounted = tool_and_volumes(coordinator)
    assert "/data" not in mounted
    volume = mounted["/run/secrets/invitations"]
    assert (volume["secret"], volume["readOnly"]) == (
        {"secretName": f"{NAME}-invitations", "defaultMode": 0o440},
        True,
    )
    secret = of_kind(coordinator, "Secret")[f"{NAME}-invitations"]
    assert {*secret["stringData"]} == {"ca.crt", "tls.crt", "tls.key", "office.json", "ships.json"}
    settings = told(coordinator)
    assert settings["elsewhere"] == {
        "sites": ["office", "ships"],
        "address": "coordinator.example.com:9443",
        "bind": "0.0.0.0",
        "invitations": "/run/secrets/invitations",
    }
    assert (settings["rounds"], "data" in settings) == (3, False)


def test_a_site_brings_its_own_data_and_its_own_invitation(site: list[dict[str, Any]]) -> None:
    _, mounted = tool_and_volumes(site)
    assert mounted["/data"]["persistentVolumeClaim"] == {"claimName": "ships", "readOnly": True}
    assert mounted["/run/secrets/invitations"]["secret"] == {
        "secretName": "from-office",
        "defaultMode": 0o440,
        "items": [{"key": "ships.json", "path": "ships.json"}],
    }
    assert told(site)["joins"] == {
        "coordinator": "coordinator.example.com:443",
        "site": "ships",
        "invitation": "/run/secrets/invitations/ships.json",
    }
    # Nobody dials a site.
    assert NAME not in of_kind(site, "Service")


def test_a_site_dials_the_coordinator_and_no_machine_s_credentials(site: list[dict[str, Any]]) -> None:
    policy = of_kind(site, "NetworkPolicy")[f"allow-{NAME}"]["spec"]
    assert "ingress" not in policy
    outside, namespaces = policy["egress"]
    assert outside["ports"] == [{"protocol": "TCP", "port": 443}]
    denied = {address for peer in outside["to"] for address in peer["ipBlock"]["except"]}
    assert denied == {"169.254.169.254/32", "fd00:ec2::254/128"}
    assert namespaces["ports"] == [{"protocol": "TCP", "port": 9443}]
    assert namespaces["to"] == [{"namespaceSelector": {}, "podSelector": {"matchLabels": MAKINGS}}]


@pytest.mark.parametrize("change", [coordinates, inside, takes_part])
def test_every_rule_holds(change: Any) -> None:
    found = resources(objects(recorded(FILE, change)))
    assert [line for rule in RULES for line in broken(rule, found)] == []


def test_whoever_teaches_alone_has_none_of_it() -> None:
    def alone(raw: Deployment) -> None:
        raw["models"]["chat"]["refresh"] = {**COMMON, "data_claim": "answers"}

    found = objects(recorded(FILE, alone))
    _, mounted = tool_and_volumes(found)
    assert "/run/secrets/invitations" not in mounted
    assert f"allow-{NAME}" not in of_kind(found, "NetworkPolicy")
