"""The network of a site on AWS: three subnets in every zone of a new one, or those of one that exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from infra.plan.address_space import RFC_1918, block, prefix_length
from infra.plan.zone_loss import SinglePoint
from infra.platforms.aws.config import AwsSettings
from infra.platforms.base import Range, Room
from infra.platforms.clusters import SERVICES_AROUND
from infra.problems import Problem, listing

# No VPC range is larger. A public subnet must be a /27 for an Application Load Balancer (its user guide), an internal
# one have 16 free addresses for the control plane (EKS user guide); both are a 256th of the range.
LARGEST_BITS, SMALLEST_BITS = 16, 19
# Of eight parts of the range, six are for nodes and pods (zones are `a` to `f`), one each for what follows; each zone
# has its place in them, so that a zone more or less moves no other's subnet.
PART_BITS, SMALL_BITS = 3, 8
SMALL_PARTS = {"public": 6, "internal": 7}
# Pods have addresses of the nodes' subnets, in blocks of 16 that a node takes as it needs them (prefix delegation): for
# the eight engines that a machine holds at most, its agents and what the cluster itself runs there, one that it keeps
# ready, and one that the addresses of its own interfaces break up. The four addresses at the beginning of a subnet and
# the one at its end that are AWS' own break up two more.
PODS_PER_NODE, BLOCK_BITS = 32, 28
BLOCKS_PER_NODE = -(-PODS_PER_NODE // 16) + 2
BROKEN_BLOCKS = 2
# One node more is there while nodes are exchanged.
SURGE_NODES = 1
# EKS takes /12 to /24 for services, outside of the VPC. They get a sixteenth of the VPC's size at the same place of
# another private space: sites whose networks do not overlap have services that do not either.
LARGEST_SERVICES_BITS, SMALLEST_SERVICES_BITS, SERVICES_BITS = 12, 24, 4
SERVICES_SPACES = {
    IPv4Network("10.0.0.0/8"): IPv4Network("172.16.0.0/12"),
    IPv4Network("172.16.0.0/12"): IPv4Network("192.168.0.0/16"),
    IPv4Network("192.168.0.0/16"): IPv4Network("10.255.240.0/20"),
    IPv4Network("100.64.0.0/10"): IPv4Network("10.248.0.0/14"),
}


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """One subnet: a range to be made, or the id of one that exists."""

    zone: str
    role: str
    cidr: str | None
    subnet_id: str | None


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """`subnets` are by name: `private-a` holds nodes, `public-a` the load balancer, `internal-a` the cluster's API.
    `exits` says, for each private subnet that reaches the internet, whose public subnet has its NAT gateway.
    `gateway_endpoints` and `endpoints` are services of AWS that are reached without it; only the second kind costs, in
    every zone. In a network that exists, `services_cidr` is None where EKS chooses it, and nobody knows how many nodes
    have room."""

    cidr: str | None
    services_cidr: str | None
    nodes_per_zone: int | None
    vpc_id: str | None
    subnets: Mapping[str, Subnet]
    nat: str
    exits: Mapping[str, str]
    gateway_endpoints: tuple[str, ...]
    endpoints: tuple[str, ...]

    def of_role(self, role: str) -> dict[str, Subnet]:
        """The subnets of one role, by name."""
        return {name: subnet for name, subnet in self.subnets.items() if subnet.role == role}

    @property
    def cluster_role(self) -> str:
        """Where the cluster's API has its interfaces: beside the nodes in a network that exists."""
        return "internal" if self.of_role("internal") else "private"


NAT_OF_ONE_ZONE = SinglePoint(
    field="nat",
    found="`single`: without its zone no node reaches the internet",
    allowed="`per_zone`, or `none`, with what nodes need inside of AWS",
    remedy="write `per_zone`, or name a `topology.standby`",
)
GATEWAY_ENDPOINTS = ("s3",)
# Each costs in every zone. Beside a NAT gateway: what carries images, and what gives credentials.
ENDPOINTS_BESIDE_NAT = ("ecr.api", "ecr.dkr", "eks-auth", "sts")
ENDPOINTS = (
    *("ecr.api", "ecr.dkr", "eks", "eks-auth", "ec2", "sts", "kms", "logs", "monitoring", "secretsmanager"),
    *("elasticloadbalancing", "elasticfilesystem", "autoscaling", "ssm", "ssmmessages", "ec2messages", "sqs", "wafv2"),
)


def network_problems(where: str, settings: AwsSettings) -> Iterator[Problem]:
    """Zones without a subnet."""
    network = settings.network
    if network.existing is not None:
        for field in ("private_subnets", "public_subnets"):
            known: Mapping[str, str] = getattr(network.existing, field)
            missing = [zone for zone in settings.zones if zone not in known]
            if known and missing:
                yield Problem(
                    where=f"{where}.network.existing.{field}",
                    found=f"no subnet in {listing(missing)}",
                    allowed="a subnet in every one of `zones`",
                    remedy="add it, or leave the zone out",
                )


def network_ranges(settings: AwsSettings, nodes: int, models: int) -> Iterator[Range]:
    """The range of a new network, for so many nodes, all of which one zone may get: GPUs come that way. And that of
    services, one for each model."""
    network = settings.network
    if network.cidr is not None:
        lengths = range(LARGEST_BITS, SMALLEST_BITS + 1)
        why = f"{nodes} nodes may be in one zone, each with {BLOCKS_PER_NODE} blocks of 16 addresses for its pods"
        smallest = max((bits for bits in lengths if _nodes_per_zone(bits) >= nodes), default=LARGEST_BITS - 1)
        yield Range(
            field="network.cidr", cidr=network.cidr, room=Room(largest=LARGEST_BITS, smallest=smallest, why=why)
        )
    if (services := _services(settings)) is not None:
        most = models + SERVICES_AROUND
        room = Room(
            largest=LARGEST_SERVICES_BITS,
            smallest=min(SMALLEST_SERVICES_BITS, prefix_length(most)),
            why=f"{most} services, of models and of the cluster itself",
            spaces=RFC_1918,
        )
        follows = None if network.services_cidr else "network.cidr"
        yield Range(field="network.services_cidr", cidr=str(services), room=room, follows=follows)


def network_plan(settings: AwsSettings) -> NetworkPlan:
    """The subnets of every zone."""
    existing = settings.network.existing
    if existing is not None:
        roles = {"private": existing.private_subnets, "public": existing.public_subnets}
        subnets = {
            f"{role}-{zone[-1]}": Subnet(zone=zone, role=role, cidr=None, subnet_id=known[zone])
            for role, known in roles.items()
            for zone in settings.zones
            if known
        }
        return NetworkPlan(
            cidr=None,
            services_cidr=settings.network.services_cidr,
            nodes_per_zone=None,
            vpc_id=existing.vpc_id,
            subnets=subnets,
            nat="none",
            exits={},
            gateway_endpoints=(),
            endpoints=(),
        )
    cidr = IPv4Network(settings.network.cidr or "")
    subnets = {
        f"{role}-{zone[-1]}": Subnet(zone=zone, role=role, cidr=_subnet(cidr, role, zone[-1]), subnet_id=None)
        for role in ("private", *SMALL_PARTS)
        for zone in settings.zones
    }
    return NetworkPlan(
        cidr=str(cidr),
        services_cidr=str(_services(settings)),
        nodes_per_zone=_nodes_per_zone(cidr.prefixlen),
        vpc_id=None,
        subnets=subnets,
        nat=settings.nat,
        exits=_exits(settings),
        gateway_endpoints=GATEWAY_ENDPOINTS,
        endpoints=ENDPOINTS if settings.nat == "none" else ENDPOINTS_BESIDE_NAT,
    )


def _exits(settings: AwsSettings) -> dict[str, str]:
    """By private subnet, the public one with its NAT gateway: of its own zone, or all of the first one's."""
    letters = [zone[-1] for zone in settings.zones]
    through = {"per_zone": letters, "single": letters[:1] * len(letters), "none": []}[settings.nat]
    return {f"private-{letter}": f"public-{exit_}" for letter, exit_ in zip(letters, through, strict=False)}


def _subnet(cidr: IPv4Network, role: str, letter: str) -> str:
    place = ord(letter) - ord("a")
    if role not in SMALL_PARTS:
        return str(block(cidr, PART_BITS, place))
    return str(block(block(cidr, PART_BITS, SMALL_PARTS[role]), SMALL_BITS - PART_BITS, place))


def _nodes_per_zone(bits: int) -> int:
    """How many nodes the private subnet of one zone holds, when the whole range has that length."""
    blocks = 1 << (BLOCK_BITS - bits - PART_BITS)
    return max(0, (blocks - BROKEN_BLOCKS) // BLOCKS_PER_NODE - SURGE_NODES)


def _services(settings: AwsSettings) -> IPv4Network | None:
    network = settings.network
    if network.services_cidr is not None or network.cidr is None:
        return IPv4Network(network.services_cidr) if network.services_cidr else None
    cidr = IPv4Network(network.cidr)
    for space, services in SERVICES_SPACES.items():
        if cidr.subnet_of(space):
            place = (int(cidr.network_address) - int(space.network_address)) >> SERVICES_BITS
            return IPv4Network((int(services.network_address) + place, min(32, cidr.prefixlen + SERVICES_BITS)))
    return None
