"""What a site on AWS makes there, as its picture shows it: subnets of zones, what lies over them, what is beside."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from infra.plan.node_pools import NodePool
from infra.plan.place_map import Layer, Part, machines
from infra.platforms.aws.audit_plan import AuditBucketPlan
from infra.platforms.aws.budget_plan import BudgetPlan
from infra.platforms.aws.cluster_plan import ClusterPlan
from infra.platforms.aws.front_door_plan import FrontDoorPlan
from infra.platforms.aws.limits_plan import LimitsPlan
from infra.platforms.aws.link_plan import PeeringPlan, VpnPlan
from infra.platforms.aws.network import NetworkPlan

LEADS_HERE = {
    "primary": "while this site is well",
    "secondary": "while the other site is not well",
    "active": "whoever is nearer, while this site is well",
    None: "always",
}


def names(door: FrontDoorPlan) -> Part:
    """Where requests come in."""
    led = LEADS_HERE[door.failover]
    return Part(title=door.host, detail=f"Route 53 leads here {led}; {door.site_host} always does", kind="door")


def layers(
    network: NetworkPlan,
    cluster: ClusterPlan,
    door: FrontDoorPlan,
    pools: Mapping[str, NodePool],
    limits: LimitsPlan | None,
) -> Iterator[Layer]:
    """From where requests come in to what no request reaches."""
    over = {role: list[Part]() for role in ("public", "private", "internal")}
    over["private" if door.internal else "public"].append(_balancer(door))
    over["private"] += machines(pools)
    if limits:
        over["private"].append(Part(title="limits", detail=limits.text))
    if cluster.shared_files:
        over["private"].append(Part(title="audit", detail="a file system of EFS, reached from every zone"))
    if network.endpoints:
        ways = ", ".join((*network.gateway_endpoints, *network.endpoints))
        over["private"].append(Part(title="ways to AWS", detail=ways))
    over[network.cluster_role].append(_api(cluster))
    for role, parts in over.items():
        if subnets := network.of_role(role):
            yield Layer(name=role, cells=tuple(_cell(network, name) for name in subnets), over=tuple(parts))


def beside(
    door: FrontDoorPlan,
    audit: AuditBucketPlan | None,
    repositories: Collection[str],
    roles: Collection[str],
    alarms: Collection[object],
    budget: BudgetPlan | None,
    link: VpnPlan | PeeringPlan | None,
) -> Iterator[Part]:
    """Of the region, outside of the network."""
    if link:
        yield Part(title="private link", detail=link.short)
    yield Part(title="certificate", detail=f"for {door.host}")
    yield Part(title="bucket of weights", detail="encrypted, versioned")
    yield Part(title="bucket of logs", detail="who asked the load balancer")
    if audit:
        yield Part(title="bucket of the audit", detail=f"locked for {audit.days} days")
    yield Part(title="image repositories", detail=f"{len(repositories)}, one for each kind")
    yield Part(title="roles of pods", detail=", ".join(roles))
    yield Part(title="alarms", detail=f"{len(alarms)}, of requests and ways out")
    if budget:
        yield Part(title="budget", detail=budget.text)


def _balancer(door: FrontDoorPlan) -> Part:
    firewall, inside = ", firewall" if door.managed_rules else "", ", inside only" if door.internal else ""
    return Part(title="load balancer", detail=f"TLS{firewall}{inside}", kind="door")


def _api(cluster: ClusterPlan) -> Part:
    reached = f"from {', '.join(cluster.public_cidrs)}" if cluster.public_cidrs else "from inside the network only"
    return Part(title=f"EKS {cluster.kubernetes_version}: API of {cluster.name}", detail=reached)


def _cell(network: NetworkPlan, name: str) -> Part:
    subnet = network.subnets[name]
    out = "NAT gateway" if name in network.exits.values() else ""
    return Part(title=name, detail=", ".join(filter(None, (subnet.cidr or subnet.subnet_id, out))))
