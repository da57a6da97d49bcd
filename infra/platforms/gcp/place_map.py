"""What a site on Google Cloud makes there, as its picture shows it: front, subnetwork, what is beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra.plan.node_pools import NodePool
from infra.plan.place_map import Layer, Part, machines
from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.platforms.gcp.budget_plan import BudgetPlan
from infra.platforms.gcp.cluster_plan import ClusterPlan, api_text
from infra.platforms.gcp.front_door_plan import FrontDoorPlan
from infra.platforms.gcp.link_plan import PeeringPlan
from infra.platforms.gcp.network import NetworkPlan
from infra.platforms.gcp.vpn_plan import VpnPlan


def title(network: NetworkPlan) -> str:
    """A network of Google's is that of all regions, and a subnetwork's ranges are those of all zones."""
    nodes = network.nodes or "as they are"
    return f"VPC {network.network}: nodes {nodes}, pods {network.pods}"


def names(door: FrontDoorPlan) -> Part:
    """Where requests come in."""
    return Part(title=door.host, detail=f"Cloud DNS leads here; so does {door.site_host}", kind="door")


def layers(
    network: NetworkPlan,
    cluster: ClusterPlan,
    door: FrontDoorPlan,
    pools: Mapping[str, NodePool],
    zones: Sequence[str],
    *,
    limits: str | None,
) -> Iterator[Layer]:
    """From where requests come in to what no request reaches."""
    armor = "" if door.requests_per_minute is None else ", Cloud Armor"
    inside = ", inside only" if door.inside else ""
    yield Layer(name="front", cells=(), over=(Part(title="load balancer", detail=f"TLS{armor}{inside}", kind="door"),))
    over = [*machines(pools)]
    if limits:
        over.append(Part(title="limits", detail=limits))
    if network.nat:
        over.append(Part(title="Cloud NAT", detail="one of all zones, for what nodes ask of others"))
    cell = Part(title="nodes, pods", detail="of the region's ranges")
    yield Layer(name="nodes", cells=(cell,) * len(zones), over=tuple(over))
    api = Part(title=f"GKE, channel {cluster.release_channel.lower()}: API of {cluster.name}", detail=api_text(cluster))
    yield Layer(name="control plane", cells=(), over=(api,))


def beside(
    door: FrontDoorPlan,
    audit: AuditBucketPlan | None,
    repository: str,
    identities: Sequence[str],
    budget: BudgetPlan | None,
    link: VpnPlan | PeeringPlan | None,
) -> Iterator[Part]:
    """Of the project, outside of the network."""
    if link:
        yield Part(title="private link", detail=link.short)
    yield Part(title="certificate", detail=f"for {door.host}")
    yield Part(title="bucket of weights", detail="encrypted, versioned")
    if audit:
        yield Part(title="bucket of the audit", detail=f"each object kept for {audit.days} days")
    yield Part(title="bucket of logs", detail="who asked for objects of the others")
    yield Part(title="image repository", detail=repository)
    yield Part(title="rights of pods", detail=", ".join(identities))
    yield Part(title="keys", detail="of the cluster, and of disks, buckets and images")
    if budget:
        yield Part(title="budget", detail=budget.text)
