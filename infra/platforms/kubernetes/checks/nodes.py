"""Nodes: whether the plan's pods have room, on nodes of the right kind, in every zone that it names."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.doctor.finding import Finding, look, missing, ok, unknown
from infra.platforms.kubernetes.api import Cluster, Object, Unanswered, labels_of
from infra.platforms.kubernetes.needs import ClusterNeeds, PodsNeed
from infra.platforms.kubernetes.quantity import quantity

ZONE = "topology.kubernetes.io/zone"
KEEPS_AWAY = ("NoSchedule", "NoExecute")
# What the kubelet itself says of a node that is not ready; whether it is, its conditions say.
OF_CONDITIONS = "node.kubernetes.io/"
Used = Mapping[str, Mapping[str, float]]


def check(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Asks for nodes, and for the pods that are on them already."""
    nodes = list(cluster.every("/api/v1/nodes"))
    try:
        used = used_by_others(cluster.every("/api/v1/pods"), needs.namespace)
    except Unanswered as answer:
        used = dict[str, Mapping[str, float]]()
        yield unknown("what others use", f"{answer}", "allow to list pods of all namespaces, or look at their nodes")
    yield from zones(needs, nodes)
    for pods in needs.pods:
        yield from room(pods, needs.zones, nodes, used)
    for pods in needs.pods:
        if pods.nodes.claim:
            yield from _devices(cluster, pods)


def zones(needs: ClusterNeeds, nodes: Sequence[Object]) -> Iterator[Finding]:
    """Zones that the plan names and no node has, and zones that it does not know of."""
    there = Counter(_zone(node) for node in nodes if _is_ready(node))
    known = ", ".join(f"{zone} ({count} nodes)" for zone, count in sorted(there.items()) if zone) or "none"
    lacking = [zone for zone in needs.zones if zone not in there]
    if lacking:
        yield missing(
            "zones",
            f"no ready node is in {', '.join(lacking)}; there are: {known}",
            f"correct `zones`, or label nodes: `kubectl label node NODE {ZONE}=ZONE`",
        )
    elif needs.zones:
        yield ok("zones", f"ready nodes in {', '.join(f'{zone} ({there[zone]})' for zone in needs.zones)}")
    elif len([zone for zone in there if zone]) > 1:
        yield look(
            "zones",
            f"nodes are in {known}, the plan knows of none: all replicas may be in one",
            "name them in `zones`",
        )


def room(pods: PodsNeed, wanted_zones: Sequence[str], nodes: Sequence[Object], used: Used) -> Iterator[Finding]:
    """Whether so many of these pods fit. Where zones are a must, no zone gets two more than another."""
    what, choice = f"nodes for {pods.name}", pods.nodes
    if not nodes:
        yield missing(what, "the cluster has no node", "add nodes")
        return
    offering = [node for node in nodes if all(_allocatable(node, name) for name in choice.resources)]
    if not offering:
        resources = ", ".join(f"`{name}`" for name in choice.resources)
        yield missing(
            what,
            f"no node offers {resources}",
            "add nodes with GPUs and their device plugin (or the GPU Operator), or correct `gpu`",
        )
        return
    labelled = [node for node in offering if choice.labels.items() <= labels_of(node).items()]
    if not labelled:
        label, wanted = next(iter(choice.labels.items()))
        yield missing(
            what,
            f"no node has {label}={wanted}; those with GPUs have {_products(offering, label)}",
            "add such nodes, or correct `gpu.products`",
        )
        return
    free = [node for node in labelled if _is_ready(node) and not _kept_away(node, choice.tolerates)]
    if not free:
        yield missing(
            what,
            f"{len(labelled)} nodes, none of which takes these pods: {_why_not(labelled, choice.tolerates)}",
            "make them ready, or correct `gpu.taint`: the one taint that engines tolerate",
        )
        return
    slots: defaultdict[str, int] = defaultdict(int)
    for node in free:
        slots[_zone(node)] += _slots(node, pods.demand, used)
    yield from _verdict(what, pods, wanted_zones, _Slots(by_zone=slots, nodes=len(free)))


@dataclass(frozen=True, kw_only=True)
class _Slots:
    """How many of some pods the nodes that take them have room for."""

    by_zone: Mapping[str, int]
    nodes: int

    def most(self, zones: Sequence[str]) -> int:
        """All together. Over several zones, as many as keep them even."""
        if len(zones) < 2:
            return sum(self.by_zone.values())
        # A zone without any such node is none to the scheduler.
        filled = [count for zone, count in self.by_zone.items() if zone]
        least = min(filled, default=0)
        return sum(min(count, least + 1) for count in filled)


def _verdict(what: str, pods: PodsNeed, zones: Sequence[str], slots: _Slots) -> Iterator[Finding]:
    most = slots.most(zones)
    each = ", ".join(f"{name} {_shown(name, amount)}" for name, amount in pods.demand.items())
    found = f"{slots.nodes} nodes, room for {most} of {pods.least} to {pods.most} pods (each: {each})"
    without = [zone for zone in zones if not slots.by_zone.get(zone)]
    if most < pods.least:
        yield missing(what, found, f"add nodes, or free them: {pods.least} always run")
    elif len(zones) > 1 and without:
        yield missing(
            f"{what}: zones",
            f"no room in {', '.join(without)}: replicas would be in fewer zones than planned",
            f"add such nodes to {', '.join(without)}",
        )
    elif most < pods.most:
        yield look(what, found, f"add nodes, let the cluster add them, or lower the maximum: more than {most} wait")
    else:
        yield ok(what, found)


def used_by_others(pods: Iterator[Object], namespace: str) -> Used:
    """What pods of other namespaces ask of their nodes: by node and resource."""
    used: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for pod in pods:
        node = pod["spec"].get("nodeName")
        if (
            not node
            or pod["metadata"]["namespace"] == namespace
            or pod["status"].get("phase") in ("Succeeded", "Failed")
        ):
            continue
        for container in pod["spec"]["containers"]:
            for name, amount in container.get("resources", {}).get("requests", {}).items():
                used[node][name] += quantity(amount)
    return used


def _slots(node: Object, demand: Mapping[str, float], used: Used) -> int:
    taken = used.get(node["metadata"]["name"], {})
    return max(0, min(math.floor((_allocatable(node, r) - taken.get(r, 0)) / amount) for r, amount in demand.items()))


def _devices(cluster: Cluster, pods: PodsNeed) -> Iterator[Finding]:
    """Devices of all drivers: which of them a claim's class and selector choose, only the scheduler can say."""
    claim = pods.nodes.claim
    assert claim is not None
    slices = cluster.every("/apis/resource.k8s.io/v1/resourceslices")
    devices = sum(len(one["spec"].get("devices") or ()) for one in slices)
    what, wanted = f"devices for {pods.name}", claim.count * pods.least
    if devices < wanted:
        yield missing(what, f"{devices} in all, {wanted} are claimed", "install the GPUs' driver for resource claims")
    else:
        yield unknown(
            what,
            f"{devices} in all, {wanted} are claimed; whether class and selector choose enough, only a pod shows",
            "`kubectl get resourceslices -o yaml`",
        )


def _why_not(nodes: Sequence[Object], tolerated: str | None) -> str:
    reasons = Counter("not ready" if not _is_ready(node) else _kept_away(node, tolerated) or "" for node in nodes)
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items())


def _kept_away(node: Object, tolerated: str | None) -> str | None:
    if node["spec"].get("unschedulable"):
        return "cordoned"
    taints = [taint for taint in node["spec"].get("taints") or () if taint["effect"] in KEEPS_AWAY]
    found = [t["key"] for t in taints if t["key"] != tolerated and not t["key"].startswith(OF_CONDITIONS)]
    return f"tainted {', '.join(sorted(found))}" if found else None


def _is_ready(node: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions") or ())


def _allocatable(node: Object, resource: str) -> float:
    return quantity(node["status"].get("allocatable", {}).get(resource, 0))


def _zone(node: Object) -> str:
    return labels_of(node).get(ZONE, "")


def _products(nodes: Sequence[Object], label: str) -> str:
    found = Counter(labels_of(node).get(label, "no such label") for node in nodes)
    return ", ".join(f"{name} ({count} nodes)" for name, count in sorted(found.items()))


def _shown(resource: str, amount: float) -> str:
    return f"{amount / 2**30:g}Gi" if resource == "memory" else f"{amount:g}"
