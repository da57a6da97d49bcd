"""Machines: whether AWS offers each type in each zone of the plan. Whether one is free on a day, it tells nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set

from infra.doctor.finding import Finding, look, missing, ok
from infra.platforms.aws.account import Account
from infra.platforms.aws.machines import MachinePool
from infra.platforms.aws.site_plan import AwsSitePlan


def check(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """One question for all types, also those that do as well as the planned ones."""
    pools = {pool.pool: pool for pool in details.machines.pools.values()}
    for pool in details.machines.pools.values():
        # A pool is bought in several ways; a reservation alone is of one type.
        if len(pool.instance_types) > len(pools[pool.pool].instance_types):
            pools[pool.pool] = pool
    types = sorted({name for pool in pools.values() for name in pool.instance_types})
    offered: defaultdict[str, set[str]] = defaultdict(set)
    for one in account.every(
        "ec2",
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": types}],
    ):
        offered[one["InstanceType"]].add(one["Location"])
    for pool in pools.values():
        yield judged(pool, offered)


def judged(pool: MachinePool, offered: Mapping[str, Set[str]]) -> Finding:
    """One pool. Where a zone lacks the planned type, another that does as well may be there."""
    planned, *others = pool.instance_types
    what = f"machines {pool.pool}"
    there = offered.get(planned, set[str]())
    lacking = [zone for zone in pool.zones if zone not in there]
    if not lacking:
        return ok(what, f"{planned} is offered in {', '.join(pool.zones)}")
    instead = {zone: [name for name in others if zone in offered.get(name, set[str]())] for zone in lacking}
    elsewhere = f"zones of this region that have it: {', '.join(sorted(there)) or 'none'}"
    if all(instead.values()):
        told = "; ".join(f"{zone} has {', '.join(names)}" for zone, names in instead.items())
        return look(what, f"{planned} is not offered in {', '.join(lacking)}, but {told}: dearer", elsewhere)
    bare = [zone for zone, names in instead.items() if not names]
    found = f"neither {planned} nor what would do as well is offered in {', '.join(bare)}"
    if len(bare) == len(pool.zones):
        return missing(what, found, f"choose another `accelerator` or region; {elsewhere}")
    return look(what, f"{found}: no machine will ever be there", f"name other `zones`; {elsewhere}")
