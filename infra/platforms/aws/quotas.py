"""The quotas of AWS that a site needs, at most replicas and while machines are exchanged: what to ask for, and when."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from infra.catalog.instances import instances
from infra.catalog.quotas import Quota, quotas
from infra.plan.quota_types import QuotaNeed
from infra.platforms.aws.front_door_plan import FrontDoorPlan
from infra.platforms.aws.machines import MachinePool, NodesPlan, processors_of
from infra.platforms.aws.network import NetworkPlan

# Whoever has a reservation was let have it: its machines count as running from the day on that it is made.
PAID_ALREADY = "reservation"
# `p5en.48xlarge` is of the families `p` and `p5`; its quota may be by either.
FAMILY = re.compile(r"([a-z]+)([0-9]*)")
NETWORKS, INTERNET_GATEWAYS, NAT_GATEWAYS = "L-F678F1CE", "L-A4707A72", "L-FE5A380F"
ELASTIC_ADDRESSES, LOAD_BALANCERS, CLUSTERS = "L-0263D0A3", "L-53DA6B97", "L-1194D53C"


def quota_needs(machines: NodesPlan, network: NetworkPlan, door: FrontDoorPlan) -> tuple[QuotaNeed, ...]:
    """Those of one site; another in the same region and account needs its own beside them."""
    return (*_of_machines(machines), *_of_network(network), *_of_site(door))


def processors(instance_type: str) -> int | None:
    """How many vCPUs a machine has; None where neither the catalogue nor its name says it."""
    known = (row.vcpu for row in instances() if (row.cloud, row.instance_type) == ("aws", instance_type))
    return next((count for count in known if count is not None), processors_of(instance_type))


def quota_of(instance_type: str, purchase: str) -> Quota | None:
    """The quota that counts such machines; None where none is known."""
    found = FAMILY.match(instance_type)
    families = {found[1], found[0]} if found else set[str]()
    return next(
        (one for one in quotas() if one.cloud == "aws" and one.purchase == purchase and families & {*one.families}),
        None,
    )


def _of_machines(machines: NodesPlan) -> Iterator[QuotaNeed]:
    together: defaultdict[tuple[str, str], list[MachinePool]] = defaultdict(list)
    for pool in machines.pools.values():
        if pool.purchase != PAID_ALREADY:
            quota = quota_of(pool.instance_types[0], pool.purchase)
            family = pool.instance_types[0].partition(".")[0]
            together[pool.purchase, quota.code if quota else family].append(pool)
    for (purchase, key), pools in together.items():
        quota = next((one for one in quotas() if one.code == key), None)
        counted = [(pool, count) for pool in pools if (count := processors(pool.instance_types[0])) is not None]
        yield QuotaNeed(
            service=quota.service if quota else "ec2",
            code=quota.code if quota else None,
            name=quota.name if quota else f"{key} instances, {purchase}",
            needed=sum(pool.max_nodes * count for pool, count in counted),
            others=sum(pool.max_nodes * _most(pool, count, quota) for pool, count in counted),
            counts=quota.counts if quota else "vCPUs",
            of=tuple(_text(pool) for pool in pools),
            uncounted=tuple(_text(pool) for pool in pools if processors(pool.instance_types[0]) is None),
            default=quota.default if quota else None,
            source=quota.source if quota else "no quota of this name in AWS' tables",
            as_of=quota.as_of if quota else "2026-11",
        )


def _most(pool: MachinePool, planned: int, quota: Quota | None) -> int:
    """Of one machine, whichever of those that do as well it is: none of these is counted by another quota."""
    same = [one for one in pool.instance_types if quota_of(one, pool.purchase) == quota]
    return max(planned, *(processors(one) or 0 for one in same))


def _text(pool: MachinePool) -> str:
    return f"{pool.max_nodes} × {pool.instance_types[0]}"


def _of_network(network: NetworkPlan) -> Iterator[QuotaNeed]:
    if network.cidr is None:
        return
    doors = sorted({*network.exits.values()})
    yield _need(NETWORKS, 1, "its network")
    yield _need(INTERNET_GATEWAYS, 1, "of its network")
    if doors:
        yield _need(ELASTIC_ADDRESSES, len(doors), "of NAT gateways")
        yield _need(NAT_GATEWAYS, 1, f"in each of {', '.join(network.subnets[door].zone for door in doors)}", zone=True)


def _of_site(door: FrontDoorPlan) -> Iterator[QuotaNeed]:
    yield _need(LOAD_BALANCERS, 1, f"for {door.host}")
    yield _need(CLUSTERS, 1, "its cluster")


def _need(code: str, needed: int, of: str, *, zone: bool = False) -> QuotaNeed:
    (quota,) = (one for one in quotas() if one.code == code)
    return QuotaNeed(
        service=quota.service,
        code=quota.code,
        name=quota.name,
        needed=needed,
        others=needed,
        counts=quota.counts,
        of=(of,),
        per_zone=zone,
        default=quota.default,
        source=quota.source,
        as_of=quota.as_of,
    )
