"""Network: from a site's range, zones and largest size to its subnets, pod and service ranges.

Sized for the maximum, because neither cloud lets a subnet in use shrink or move: any one zone may get all nodes (GPU
capacity comes that way), and one more joins while nodes are exchanged. Decides addresses only; routes and firewalls are
the platform's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from infra.plan.address_space import PRIVATE, divided, nearest_free, needed_prefix_length, prefix_length
from infra.problems import Problem

SURGE_NODES = 1
SERVICES = 500
# AWS: the first four addresses and the last of a subnet are its own (VPC user guide); blocks go to nodes as /28.
AWS_PREFIX_ADDRESSES = 16
AWS_RESERVED_PREFIXES = 1
# One block a node keeps ready (WARM_PREFIX_TARGET 1) and one that its interfaces' own addresses break up.
AWS_SPARE_PREFIXES = 2
# An Application Load Balancer wants a /27 with 8 free addresses for each zone and may grow; EKS wants 16 free addresses
# in each subnet for its control plane's interfaces.
AWS_PUBLIC_LENGTH, AWS_INTRA_LENGTH = 26, 27
AWS_LARGEST, AWS_SMALLEST = 16, 28
# GCP: two addresses at either end of a primary range are its own; the smallest range is a /29. A pod range holds for
# each node the block of at least twice its pods (GKE documentation, flexible pod CIDR).
GCP_RESERVED_ADDRESSES, GCP_SMALLEST, GCP_LEAST_PER_NODE = 4, 29, 16
GCP_CONTROL_PLANE_LENGTH, GCP_PROXY_LENGTH = 28, 26
# Services of EKS are outside the VPC; where this range is free, it is EKS' own choice.
EKS_SERVICES = IPv4Network("172.20.0.0/16")
EKS_SERVICES_LARGEST, EKS_SERVICES_SMALLEST = 12, 24
GKE_SERVICES_SMALLEST = 27

Kind = Literal["public", "private", "intra", "nodes", "pods", "services", "control_plane", "proxies"]


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """What one site asks for. `where` is the path of its platform in the configuration."""

    where: str
    site: str
    cloud: Literal["aws", "gcp"]
    cidr: IPv4Network
    zones: tuple[str, ...]
    max_nodes: int
    max_pods_per_node: int
    services: int = SERVICES


@dataclass(frozen=True, kw_only=True)
class Range:
    """One range of a site: what it is for, its zone (None: the whole region) and why it has this size."""

    name: str
    kind: Kind
    zone: str | None
    cidr: str
    why: str


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """A site's ranges. All lie inside its `cidr`, except the services of EKS."""

    site: str
    cidr: str
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class _Wanted:
    """A range before it has an address."""

    name: str
    kind: Kind
    zone: str | None
    length: int
    why: str


def plan_networks(
    requests: Sequence[NetworkRequest], reserved: Sequence[IPv4Network] = ()
) -> tuple[Mapping[str, NetworkPlan], list[Problem]]:
    """Every site's ranges, or every problem with them: too small, not private, or overlapping an earlier site or what
    the user reserved. A site with a problem has no plan; two proposals never overlap."""
    plans: dict[str, NetworkPlan] = {}
    problems: list[Problem] = []
    proposed: list[IPv4Network] = []
    services = [*reserved, *(request.cidr for request in requests)]
    for number, request in enumerate(requests):
        wanted = _wanted(request)
        length = needed_prefix_length(item.length for item in wanted)
        faults = list(_faults(request, length, requests[:number], reserved))
        if faults:
            others = (other.cidr for other in requests if other is not request)
            remedy = _remedy(request, length, [*reserved, *others, *proposed], proposed)
            where = f"{request.where}.network.cidr"
            problems += [Problem(where=where, found=found, allowed=allowed, remedy=remedy) for found, allowed in faults]
            continue
        blocks = divided(request.cidr, {item.name: item.length for item in wanted}) or {}
        ranges = [_range(item, blocks[item.name]) for item in wanted]
        if request.cloud == "aws":
            item = _services(request, EKS_SERVICES_LARGEST, EKS_SERVICES_SMALLEST)
            block = nearest_free(EKS_SERVICES.network_address, item.length, services)
            if block is None:
                problems.append(_no_services(request, item.length))
                continue
            # One after the other in the order of the sites, so that a site added at the end moves no other's.
            services.append(block)
            ranges.append(_range(item, block))
        plans[request.site] = NetworkPlan(site=request.site, cidr=str(request.cidr), ranges=tuple(ranges))
    return plans, problems


def _wanted(request: NetworkRequest) -> list[_Wanted]:
    """What lies inside the site's range."""
    nodes, pods = request.max_nodes + SURGE_NODES, request.max_pods_per_node
    if request.cloud == "aws":
        each = -(-pods // AWS_PREFIX_ADDRESSES) + AWS_SPARE_PREFIXES
        private = prefix_length((nodes * each + AWS_RESERVED_PREFIXES) * AWS_PREFIX_ADDRESSES)
        why = f"{nodes} nodes in one zone, each {each} blocks of {AWS_PREFIX_ADDRESSES} for {pods} pods and itself"
        return [
            item
            for zone in request.zones
            for item in (
                _Wanted(f"private-{zone}", "private", zone, private, why),
                _Wanted(f"public-{zone}", "public", zone, AWS_PUBLIC_LENGTH, "load balancer and NAT gateway"),
                _Wanted(f"intra-{zone}", "intra", zone, AWS_INTRA_LENGTH, "the control plane's interfaces; no way out"),
            )
        ]
    bits = max(2 * pods - 1, GCP_LEAST_PER_NODE - 1).bit_length()
    primary = min(GCP_SMALLEST, prefix_length(nodes + GCP_RESERVED_ADDRESSES))
    return [
        _Wanted("nodes", "nodes", None, primary, f"{nodes} nodes and {GCP_RESERVED_ADDRESSES} addresses of Google's"),
        _Wanted(
            "pods", "pods", None, prefix_length(nodes << bits), f"{nodes} nodes, a /{32 - bits} each for {pods} pods"
        ),
        _services(request, 0, GKE_SERVICES_SMALLEST),
        _Wanted("control-plane", "control_plane", None, GCP_CONTROL_PLANE_LENGTH, "the private control plane"),
        _Wanted("proxies", "proxies", None, GCP_PROXY_LENGTH, "proxies of a regional load balancer"),
    ]


def _services(request: NetworkRequest, largest: int, smallest: int) -> _Wanted:
    length = max(largest, min(smallest, prefix_length(request.services)))
    return _Wanted("services", "services", None, length, f"{request.services} services")


def _range(item: _Wanted, block: IPv4Network) -> Range:
    return Range(name=item.name, kind=item.kind, zone=item.zone, cidr=str(block), why=item.why)


def _faults(
    request: NetworkRequest, length: int, earlier: Sequence[NetworkRequest], reserved: Sequence[IPv4Network]
) -> Iterator[tuple[str, str]]:
    """What is wrong with a site's range: what was found, and what is allowed."""
    cidr = request.cidr
    needs = f"{request.max_nodes} nodes with {request.max_pods_per_node} pods need a /{length}"
    if request.cloud == "aws" and min(cidr.prefixlen, length) < AWS_LARGEST:
        yield f"{cidr}, and {needs}", f"/{AWS_LARGEST} to /{AWS_SMALLEST}: no VPC range is larger"
    elif cidr.prefixlen > length:
        yield f"{cidr}: {cidr.num_addresses} addresses", f"a /{length} or larger: {needs}"
    if not any(cidr.subnet_of(space) for space in PRIVATE):
        yield f"{cidr}, which is not private", f"inside {', '.join(map(str, PRIVATE))}"
    for other in earlier:
        if cidr.overlaps(other.cidr):
            yield f"{cidr}, which overlaps {other.cidr} of the site `{other.site}`", "a range that no other site has"
    for block in reserved:
        if cidr.overlaps(block):
            yield f"{cidr}, which overlaps the reserved {block}", "a range outside of what is reserved"


def _remedy(request: NetworkRequest, length: int, taken: list[IPv4Network], proposed: list[IPv4Network]) -> str:
    largest = AWS_LARGEST if request.cloud == "aws" else 0
    if length < largest:
        return "lower the largest number of nodes, or of pods on one: no range is large enough"
    near = nearest_free(request.cidr.network_address, max(largest, min(length, request.cidr.prefixlen)), taken)
    if near is None:
        return "free some private space: no range of that size is left"
    proposed.append(near)
    return f"the nearest range that works is {near}"


def _no_services(request: NetworkRequest, length: int) -> Problem:
    return Problem(
        where=f"{request.where}.network.cidr",
        found="no private range is left for the cluster's services",
        allowed=f"a free /{length} beside every site's range and what is reserved",
        remedy="reserve less",
    )
