"""The network of a site on AWS: three subnets in every zone of a new one, or those of one that exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.blocks import block
from infra.platforms.aws.config import AwsSettings
from infra.problems import Problem, listing

# What a new network may be: a VPC takes no more, and a smaller one has no room for nodes in several zones.
LARGEST_BITS, SMALLEST_BITS = 16, 20
# Of eight parts of the range, six are for nodes and pods (zones are `a` to `f`), one each for what follows; each zone
# has its place in them, so that a zone more or less moves no other's subnet.
PART_BITS, SMALL_BITS = 3, 8
SMALL_PARTS = {"public": 6, "internal": 7}


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
    `endpoints` are services of AWS that are reached without the internet."""

    cidr: str | None
    vpc_id: str | None
    subnets: Mapping[str, Subnet]
    nat: str
    endpoints: tuple[str, ...]


ENDPOINTS = (
    *("s3", "ecr.api", "ecr.dkr", "eks", "eks-auth", "ec2", "sts", "kms", "logs", "monitoring", "secretsmanager"),
    *("elasticloadbalancing", "autoscaling", "ssm", "ssmmessages", "ec2messages", "sqs", "wafv2"),
)


def network_problems(where: str, settings: AwsSettings) -> Iterator[Problem]:
    """A range that does not do, and zones without a subnet."""
    network = settings.network
    if network.cidr is not None:
        bits = int(network.cidr.rpartition("/")[2])
        if not LARGEST_BITS <= bits <= SMALLEST_BITS:
            yield Problem(
                where=f"{where}.network.cidr",
                found=f"`{network.cidr}`",
                allowed=f"a range of /{LARGEST_BITS} to /{SMALLEST_BITS}",
                remedy=f"choose a {'smaller' if bits < LARGEST_BITS else 'larger'} one, such as `10.40.0.0/16`",
            )
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
        return NetworkPlan(cidr=None, vpc_id=existing.vpc_id, subnets=subnets, nat="none", endpoints=())
    cidr = settings.network.cidr or ""
    subnets = {
        f"{role}-{zone[-1]}": Subnet(zone=zone, role=role, cidr=_subnet(cidr, role, zone[-1]), subnet_id=None)
        for role in ("private", *SMALL_PARTS)
        for zone in settings.zones
    }
    return NetworkPlan(cidr=cidr, vpc_id=None, subnets=subnets, nat=settings.nat, endpoints=ENDPOINTS)


def _subnet(cidr: str, role: str, letter: str) -> str:
    place = ord(letter) - ord("a")
    if role not in SMALL_PARTS:
        return block(cidr, PART_BITS, place)
    return block(block(cidr, PART_BITS, SMALL_PARTS[role]), SMALL_BITS - PART_BITS, place)
