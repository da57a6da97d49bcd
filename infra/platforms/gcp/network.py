"""The network of a site on Google Cloud: fixed parts of the range of a new one, or the names of one that exists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from infra.plan.address_space import block
from infra.platforms.base import Range, Room
from infra.platforms.clusters import SERVICES_AROUND
from infra.platforms.gcp.config import GcpSettings

# Half of the range is for pods, of eight parts two are for nodes and for services, and one for what is small: a
# proxy-only subnetwork as Google recommends it, and exactly what the API's block must be. A part must hold both.
LARGEST_BITS, SMALLEST_BITS = 14, 19
PODS_BITS, PART_BITS = 1, 3
PROXY_BITS, API_BITS = 23, 28
# GKE lets a node have 110 pods unless told otherwise and gives each at least twice the addresses: a /24 (GKE
# documentation, flexible pod CIDR). One node more is there while nodes are exchanged.
NODE_BITS, SURGE_NODES = 24, 1


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """Ranges of a new network, which has room for so many nodes, or the names of ranges of one that exists."""

    network: str
    subnetwork: str
    nodes: str | None
    pods: str
    services: str
    proxies: str | None
    api: str | None
    most_nodes: int | None
    nat: bool


def network_ranges(settings: GcpSettings, nodes: int, models: int) -> Iterator[Range]:
    """The range of a new network, for so many nodes, and services for each model."""
    cidr = settings.network.cidr
    if cidr is None:
        return
    services = models + SERVICES_AROUND
    lengths = range(LARGEST_BITS, SMALLEST_BITS + 1)
    fitting = (bits for bits in lengths if _most_nodes(bits) >= nodes and 1 << (32 - PART_BITS - bits) >= services)
    why = f"there may be {nodes} nodes, each with a /{NODE_BITS} for its pods, and {services} services"
    smallest = max(fitting, default=LARGEST_BITS - 1)
    yield Range(field="network.cidr", cidr=cidr, room=Room(largest=LARGEST_BITS, smallest=smallest, why=why))


def network_plan(name: str, settings: GcpSettings) -> NetworkPlan:
    """The ranges."""
    existing = settings.network.existing
    if existing is not None:
        return NetworkPlan(
            network=existing.network,
            subnetwork=existing.subnetwork,
            nodes=None,
            pods=existing.pods_range,
            services=existing.services_range,
            proxies=None,
            api=None,
            most_nodes=None,
            nat=False,
        )
    cidr = IPv4Network(settings.network.cidr or "")
    small = block(cidr, PART_BITS, 6)
    return NetworkPlan(
        network=name,
        subnetwork=name,
        nodes=str(block(cidr, PART_BITS, 4)),
        services=str(block(cidr, PART_BITS, 5)),
        pods=str(block(cidr, PODS_BITS, 0)),
        proxies=str(block(small, PROXY_BITS - small.prefixlen, 0)),
        api=str(block(small, API_BITS - small.prefixlen, 2 ** (API_BITS - small.prefixlen) - 1)),
        most_nodes=_most_nodes(cidr.prefixlen),
        nat=settings.nat,
    )


def network_text(network: NetworkPlan) -> str:
    """For a reader of the plan."""
    if network.nodes is None:
        return f"{network.network}, nodes as they are, pods {network.pods}, services {network.services}"
    return (
        f"{network.network} with room for {network.most_nodes} nodes: nodes {network.nodes}, pods {network.pods}, "
        f"services {network.services}"
    )


def _most_nodes(bits: int) -> int:
    """How many nodes the range for pods holds, when the whole range has that length; that for nodes holds more."""
    return (1 << (NODE_BITS - bits - PODS_BITS)) - SURGE_NODES
