"""Who can open a connection to whom: computed from the rendered network policies, for every pair and port."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.manifests import pod_templates
from tests.on_a_cluster import manifests, of_kind

NAMESPACE = "slipway"
# Every port that anybody listens on, one that nobody does, and what answers names.
PORTS = [("TCP", port) for port in (22, 53, 80, 443, 4318, 5432, 6379, 6443, 8080, 8443, 9090, 9091, 9092)] + [
    ("UDP", 53)
]
Connection = tuple[str, str, str, int]


@dataclass(frozen=True, kw_only=True)
class Party:
    """A pod, or (without a namespace) an address outside."""

    name: str
    address: str
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


OUTSIDE = (
    Party(name="envoy", address="10.1.0.1", namespace="envoy-gateway-system"),
    Party(name="prometheus", address="10.1.0.2", namespace="monitoring"),
    Party(name="keda", address="10.1.0.3", namespace="keda"),
    Party(name="dns", address="10.1.0.4", namespace="kube-system", labels={"k8s-app": "kube-dns"}),
    Party(name="system", address="10.1.0.5", namespace="kube-system"),
    Party(name="stranger", address="10.1.0.6", namespace="default"),
    Party(name="metadata", address="169.254.169.254"),
    Party(name="metadata-6", address="fd00:ec2::254"),
    Party(name="node-cache", address="169.254.20.10"),
    Party(name="api", address="10.9.0.1"),
    Party(name="internet", address="203.0.113.9"),
    Party(name="internet-6", address="2001:db8::9"),
)
ANYBODY = ("envoy", "prometheus", "keda", "dns", "system", "stranger")
BEYOND = (*ANYBODY, "node-cache", "api", "internet", "internet-6")


def inside(found: list[dict[str, Any]]) -> tuple[Party, ...]:
    """One pod of each workload, as it is labelled, and one that somebody else put there."""
    pods = [
        Party(
            name=name.split()[1].split("-fetch-")[0] + ("-fetch" if name.startswith("Job") else ""),
            address=f"10.2.0.{number}",
            namespace=NAMESPACE,
            labels=template["metadata"]["labels"],
        )
        for number, (name, template, whole) in enumerate(pod_templates(found), 1)
        if whole["kind"] != "LeaderWorkerSet"
    ]
    pods += [node for one in of_kind(found, "LeaderWorkerSet").values() for node in nodes(one)]
    return (*pods, Party(name="intruder", address="10.2.0.99", namespace=NAMESPACE))


def nodes(group: dict[str, Any]) -> Iterator[Party]:
    """Leader and worker of two groups, with the labels that LeaderWorkerSet's controller gives them."""
    name, templates = group["metadata"]["name"], group["spec"]["leaderWorkerTemplate"]
    for index in range(2):
        for number, role in enumerate(("leader", "worker")):
            given = {"name": name, "group-index": str(index), "worker-index": str(number)}
            yield Party(
                name=f"{role}-{index}",
                address=f"10.3.{index}.{number}",
                namespace=NAMESPACE,
                labels=templates[f"{role}Template"]["metadata"]["labels"]
                | {f"leaderworkerset.sigs.k8s.io/{label}": value for label, value in given.items()},
            )


def allowed(found: list[dict[str, Any]]) -> set[Connection]:
    """Every connection that a cluster which enforces the policies lets through."""
    policies = [policy["spec"] for policy in of_kind(found, "NetworkPolicy").values()]
    parties = (*inside(found), *OUTSIDE)
    return {
        (source.name, target.name, protocol, port)
        for source in parties
        for target in parties
        if source is not target and NAMESPACE in (source.namespace, target.namespace) and source.namespace
        for protocol, port in PORTS
        if passes(policies, "egress", source, target, protocol, port)
        and passes(policies, "ingress", target, source, protocol, port)
    }


def passes(policies: list[Any], way: str, subject: Party, other: Party, protocol: str, port: int) -> bool:
    """As the API describes it: whoever no policy selects is free, whoever one selects has the sum of their rules."""
    if subject.namespace != NAMESPACE:
        return True
    selecting = [
        spec
        for spec in policies
        if way.capitalize() in spec["policyTypes"] and matches(spec["podSelector"], subject.labels)
    ]
    if not selecting:
        return True
    peers = "to" if way == "egress" else "from"
    return any(
        any(is_peer(peer, other) for peer in rule[peers]) and any(is_port(one, protocol, port) for one in rule["ports"])
        for spec in selecting
        for rule in spec.get(way, ())
    )


def is_port(rule: dict[str, Any], protocol: str, port: int) -> bool:
    return rule.get("protocol", "TCP") == protocol and rule.get("port", port) == port


def is_peer(peer: dict[str, Any], other: Party) -> bool:
    if "ipBlock" in peer:
        # Of a pod, too: some networks do it, some do not. What is allowed by the wider reading is what counts.
        block, address = peer["ipBlock"], ipaddress.ip_address(other.address)
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(one) for one in block.get("except", ())
        )
    if other.namespace is None:
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace}):
            return False
    elif other.namespace != NAMESPACE:
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def matches(selector: dict[str, Any], labels: Mapping[str, str]) -> bool:
    assert {*selector} <= {"matchLabels"}, "no other kind of selector is used here"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def flows(sources: Any, targets: Any, *ports: tuple[str, int] | int) -> Iterator[Connection]:
    for source in [sources] if isinstance(sources, str) else sources:
        for target in [targets] if isinstance(targets, str) else targets:
            for port in ports:
                yield (source, target, *(("TCP", port) if isinstance(port, int) else port))


NAMES = (53, ("UDP", 53))
TRIALS = ("trial-chat-facts", "trial-chat-load")
MAKINGS = ("making-chat-optimisation", "making-chat-refresh")
BOTH = ("engine-chat", "engine-chat-next")
FETCHES = tuple(f"{engine}-fetch" for engine in BOTH)
INTENDED: dict[str, list[Iterator[Connection]]] = {
    "as_it_ships": [
        flows("envoy", "gateway", 8080),
        flows(("prometheus", "keda", "release"), "gateway", 9090),
        flows("prometheus", "release", 9090),
        flows("gateway", BOTH, 8443),
        flows("prometheus", BOTH, 9092),
        flows("gateway", "shared-limits", 6379),
        flows(("gateway", *FETCHES), "dns", *NAMES),
        # Where the API server is, nobody said: it is somewhere.
        flows(("gateway", "release"), BEYOND, 443, 6443),
        flows(FETCHES, BEYOND, 443),
        flows((*TRIALS, *MAKINGS, "release"), "gateway", 8080),
        flows((*TRIALS, *MAKINGS, "release"), "dns", *NAMES),
    ],
    "ingress_and_zones": [
        flows(ANYBODY, "gateway", 8080),
        flows("gateway", "engine-chat", 8443),
        flows("gateway", "shared-limits", 6379),
        flows(("gateway", "engine-chat-fetch"), ("dns", "node-cache"), *NAMES),
        flows("gateway", "api", 443, 6443),
        flows("engine-chat-fetch", BEYOND, 443),
    ],
    "inside_only": [
        flows(ANYBODY, "gateway", 8080),
        flows(("prometheus", "keda"), "gateway", 9090),
        flows("gateway", "engine-chat", 8443),
        flows("prometheus", "engine-chat", 9092),
        flows("engine-chat-fetch", "dns", *NAMES),
        # Only a secret says at which port the store of limits is.
        flows("gateway", BEYOND, *[port for protocol, port in PORTS if protocol == "TCP"]),
        flows("gateway", "dns", ("UDP", 53)),
        flows("engine-chat-fetch", BEYOND, 443),
    ],
    "several_models": [
        flows("envoy", "gateway", 8080),
        flows(("prometheus", "keda"), "gateway", 9090),
        flows("gateway", ("engine-chat", "engine-small"), 8443),
        flows("prometheus", ("engine-chat", "engine-small"), 9092),
        flows("gateway", "shared-limits", 6379),
        flows(("gateway", "engine-chat-fetch", "engine-small-fetch"), "dns", *NAMES),
        flows("gateway", BEYOND, 443, 4318, 6443),
        flows(("engine-chat-fetch", "engine-small-fetch"), BEYOND, 443),
    ],
}
INTENDED["several_nodes"] = [
    flows(TRIALS, "gateway", 8080),
    flows(TRIALS, "dns", *NAMES),
    flows("envoy", "gateway", 8080),
    flows(("prometheus", "keda"), "gateway", 9090),
    # Of a group, the leader alone has an API.
    flows("gateway", ("engine-chat", "leader-0", "leader-1"), 8443),
    flows("prometheus", ("engine-chat", "leader-0", "leader-1"), 9092),
    flows("gateway", "shared-limits", 6379),
    flows(("gateway", "engine-chat-fetch", "engine-large-fetch"), "dns", *NAMES),
    flows("gateway", BEYOND, 443, 6443),
    flows(("engine-chat-fetch", "engine-large-fetch"), BEYOND, 443),
    # The nodes of a group reach each other at any port, and nobody of another group.
    *(
        flows(f"{source}-{group}", f"{target}-{group}", *[port for protocol, port in PORTS if protocol == "TCP"])
        for group in range(2)
        for source, target in (("leader", "worker"), ("worker", "leader"))
    ),
    *(flows(f"{node}-{group}", "dns", *NAMES) for group in range(2) for node in ("leader", "worker")),
]
INTENDED["one_pod"] = [
    flows(TRIALS, "gateway", 8080),
    flows(TRIALS, "dns", *NAMES),
    flows("envoy", "gateway", 8080),
    flows(("prometheus", "keda"), "gateway", 9090),
    # The engine's metrics, in the gateway's pod.
    flows("prometheus", "gateway", 9092),
    flows(("gateway", "engine-chat-fetch"), "dns", *NAMES),
    flows("engine-chat-fetch", BEYOND, 443),
]
COMPUTED = {variant: allowed(manifests(variant)) for variant in INTENDED}


@pytest.mark.parametrize("variant", INTENDED)
def test_what_can_be_reached_is_what_was_meant(variant: str) -> None:
    intended = {connection for some in INTENDED[variant] for connection in some}
    computed = COMPUTED[variant]
    assert computed - intended == set(), "possible, and not meant"
    assert intended - computed == set(), "meant, and not possible"


@pytest.mark.parametrize("variant", INTENDED)
def test_nobody_reaches_the_machines_credentials_or_the_status_page(variant: str) -> None:
    for _, target, _, port in COMPUTED[variant]:
        assert not target.startswith("metadata")
        assert target != "gateway" or port in (8080, 9090, 9092 if variant == "one_pod" else 9090)


@pytest.mark.parametrize("variant", INTENDED)
def test_whoever_is_put_there_beside_us_reaches_nobody_and_is_reached_by_nobody(variant: str) -> None:
    assert not [connection for connection in COMPUTED[variant] if "intruder" in connection]


def test_a_gap_would_be_seen() -> None:
    """Without the policy that denies, and with a rule that is too wide, the matrix is another one."""
    found = manifests("as_it_ships")
    without = [one for one in found if one["metadata"]["name"] != "default-deny"]
    assert ("intruder", "internet", "TCP", 443) in allowed(without)
    of_kind(found, "NetworkPolicy")["allow-engine"]["spec"]["ingress"][0]["from"].append({"namespaceSelector": {}})
    assert allowed(found) - COMPUTED["as_it_ships"] == {*flows(ANYBODY, BOTH, 8443)}
