"""Reservations: whether the one that the plan buys machines from is there, is of them, and lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.doctor.finding import Finding, look, missing, ok
from infra.platforms.aws.account import Account, Unanswered
from infra.platforms.aws.machines import MachinePool
from infra.platforms.aws.site_plan import AwsSitePlan

RESERVED = "reserved"
# Where a machine may be had now, or will be (EC2 API reference, CapacityReservation, read 2026-11).
ACTIVE = "active"
COMING = ("assessing", "delayed", "payment-pending", "pending", "scheduled")
# A deployment takes an hour at most, and a block's machines are taken half an hour before its end.
SOON = timedelta(days=2)
NOT_THERE = ("InvalidCapacityReservationId.NotFound", "InvalidCapacityReservationId.Malformed")
BLOCK = "capacity-block"
MORE = "add `on_demand` behind `reservation` in `purchase`"


def check(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """Asks for the one that is named; nothing where none is."""
    named = details.machines.reservation_id
    pools = [pool for pool in details.machines.pools.values() if pool.capacity == RESERVED]
    if named is None or not pools:
        return
    try:
        found = list(
            account.every(
                "ec2", "describe_capacity_reservations", "CapacityReservations", CapacityReservationIds=[named]
            )
        )
    except Unanswered as answer:
        if answer.code not in NOT_THERE:
            raise
        found = []
    same = {pool.pool for pool in pools}
    others = [pool for pool in details.machines.pools.values() if pool.pool in same and pool.capacity != RESERVED]
    yield judged(named, found, pools, datetime.now(UTC), alone=not others)


def judged(
    named: str, found: Sequence[Mapping[str, Any]], pools: Sequence[MachinePool], now: datetime, *, alone: bool
) -> Finding:
    """The worst of what is wrong with it, and what it is where nothing is. `alone`: nothing is bought otherwise."""
    what = f"reservation {named}"
    other = "name another `reservation_id`, or take `reservation` out of `purchase`"
    if not found:
        return missing(what, "this account has none of that id in this region", other)
    one = found[0]
    state, begins, ends = str(one.get("State")), one.get("StartDate"), one.get("EndDate")
    if state in COMING:
        when = f"on {_day(begins)}" if begins else "on a day that AWS does not tell"
        return look(
            what, f"{state}: it begins {when}, and gives no machine before", "deploy then, or buy otherwise now"
        )
    if state != ACTIVE:
        return missing(what, f"{state}: it gives no machine", other)
    wrong = [*_of_others(one, pools)]
    if wrong:
        return missing(what, "; ".join(wrong), other)
    if ends is not None and ends <= now:
        return missing(what, f"it ended on {_day(ends)}", other)
    free, total, needed = _count(one, "Available"), _count(one, "Total"), sum(pool.max_nodes for pool in pools)
    told = f"{one['InstanceType']} in {one['AvailabilityZone']}, {free} of {total} free"
    if ends is not None and ends - now < SOON:
        hours = int((ends - now).total_seconds() // 3600)
        return look(what, f"{told}; it ends in {hours} h, and its machines with it", "extend it, or buy another")
    if alone and total < needed:
        return look(what, f"{told}, {needed} planned at most: the rest is never there", f"{MORE}, or make it larger")
    until = f", until {_day(ends)}" if ends else ""
    return ok(what, f"{told}{until}")


def _of_others(one: Mapping[str, Any], pools: Sequence[MachinePool]) -> Iterator[str]:
    """What of it no pool could use: EC2 gives such a machine to nobody here, and says so hours later."""
    kind, zone = one.get("InstanceType"), one.get("AvailabilityZone")
    planned = {pool.instance_types[0] for pool in pools}
    zones = {each for pool in pools for each in pool.zones}
    if kind not in planned:
        yield f"of {kind}, where {', '.join(sorted(planned))} is planned"
    if zone not in zones:
        yield f"in {zone}, where {', '.join(sorted(zones))} is planned"
    block = one.get("ReservationType") == BLOCK
    # With Auto Mode nobody needs to say which it is.
    if any(pool.image for pool in pools) and block != any(pool.capacity_block for pool in pools):
        yield f"{'a' if block else 'no'} capacity block, where `nodes.capacity_block` says otherwise"


def _count(one: Mapping[str, Any], which: str) -> int:
    return int(one.get(f"{which}InstanceCount") or 0)


def _day(when: Any) -> str:
    return when.date().isoformat()
