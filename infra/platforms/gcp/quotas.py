"""The quotas of Google Cloud that a cluster's site needs, at most replicas and while machines are exchanged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from infra.catalog.instances import instances
from infra.catalog.quotas import Quota, quotas
from infra.plan.quota_types import QuotaNeed
from infra.platforms.gcp.front_door_plan import FrontDoorPlan
from infra.platforms.gcp.machines import CARDS, MachinePool, NodesPlan
from infra.platforms.gcp.network import NetworkPlan

# Whoever has a reservation was let have it: its machines were counted when it was made.
PAID_ALREADY = "reservation"
# By whose quota a way to buy is counted (GKE documentation, accelerator consumption options; that of flex-start is
# recalled, not read again).
COUNTED_AS = {"flex_start": "spot"}
# Machines whose GPUs alone are counted (Compute Engine documentation, allocation quotas, as quoted in 2026-09).
WITHOUT_PROCESSORS = ("a2", "a3", "a4", "g2", "g4")
GPUS_EVERYWHERE, PROCESSORS_EVERYWHERE = "GPUS-ALL-REGIONS-per-project", "CPUS-ALL-REGIONS-per-project"
NETWORKS, ADDRESSES = "NETWORKS-per-project", "STATIC-ADDRESSES-per-project"
SERVICE = "compute.googleapis.com"


def quota_needs(machines: NodesPlan, network: NetworkPlan, door: FrontDoorPlan) -> tuple[QuotaNeed, ...]:
    """Those of one site; another in the same project needs its own beside them."""
    pools = [pool for pool in machines.pools.values() if pool.purchase != PAID_ALREADY]
    found = [*_by_card(pools), *_by_processors(pools), *_everywhere(pools)]
    if network.nodes is not None:
        found.append(quota_need(NETWORKS, 1, "its network"))
    if door.inside is None:
        found.append(quota_need(ADDRESSES, 1, "of its load balancer"))
    return tuple(found)


def processors(machine_type: str) -> int | None:
    """How many vCPUs a machine has; None where neither the catalogue nor its name says it."""
    known = (row.vcpu for row in instances() if (row.cloud, row.instance_type) == ("gcp", machine_type))
    last = machine_type.rpartition("-")[2]
    return next((count for count in known if count is not None), int(last) if last.isdecimal() else None)


def family(machine_type: str) -> str:
    return machine_type.partition("-")[0]


def counts_processors(machine_type: str) -> bool:
    """Whether its vCPUs count, beside its GPUs."""
    return family(machine_type) not in WITHOUT_PROCESSORS


def card_of(name: str) -> str:
    """What Compute Engine calls a card, as a plan calls it."""
    return next((known for known, called in CARDS.items() if called == name), name)


def quota_of(key: str, purchase: str) -> Quota | None:
    """The quota that counts a card, or a family of machines; None where none is known."""
    way = COUNTED_AS.get(purchase, purchase)
    return next((one for one in quotas() if one.cloud == "gcp" and one.purchase == way and key in one.families), None)


def quota_need(code: str, needed: int, of: str) -> QuotaNeed:
    """Of a quota that counts no machines."""
    (quota,) = (one for one in quotas() if one.cloud == "gcp" and one.code == code)
    return _need(quota, quota.name, needed, (of,))


def _by_card(pools: list[MachinePool]) -> Iterator[QuotaNeed]:
    together: defaultdict[tuple[str, str], list[MachinePool]] = defaultdict(list)
    for pool in pools:
        if pool.card:
            together[card_of(pool.card), COUNTED_AS.get(pool.purchase, pool.purchase)].append(pool)
    for (card, purchase), some in together.items():
        needed = sum(pool.max_nodes * pool.cards for pool in some)
        yield _need(quota_of(card, purchase), f"{card} GPUs, {purchase}", needed, tuple(map(_text, some)))


def _by_processors(pools: list[MachinePool]) -> Iterator[QuotaNeed]:
    together: defaultdict[tuple[str, str], list[MachinePool]] = defaultdict(list)
    for pool in pools:
        if counts_processors(pool.machine_type):
            together[family(pool.machine_type), COUNTED_AS.get(pool.purchase, pool.purchase)].append(pool)
    for (called, purchase), some in together.items():
        yield _processors(quota_of(called, purchase), f"{called} vCPUs, {purchase}", some)


def _everywhere(pools: list[MachinePool]) -> Iterator[QuotaNeed]:
    """Of all regions together. Ways to buy of one pool take each other's place."""
    largest: dict[str, MachinePool] = {}
    for pool in pools:
        if pool.pool not in largest or pool.max_nodes > largest[pool.pool].max_nodes:
            largest[pool.pool] = pool
    if cards := [pool for pool in largest.values() if pool.card]:
        of = ", ".join(map(_text, cards))
        yield quota_need(GPUS_EVERYWHERE, sum(pool.max_nodes * pool.cards for pool in cards), of)
    if counted := [pool for pool in largest.values() if counts_processors(pool.machine_type)]:
        (quota,) = (one for one in quotas() if one.code == PROCESSORS_EVERYWHERE)
        yield _processors(quota, quota.name, counted)


def _processors(quota: Quota | None, name: str, pools: list[MachinePool]) -> QuotaNeed:
    known = {pool.name: count for pool in pools if (count := processors(pool.machine_type)) is not None}
    needed = sum(pool.max_nodes * known.get(pool.name, 0) for pool in pools)
    unknown = tuple(_text(pool) for pool in pools if pool.name not in known)
    return _need(quota, name, needed, tuple(map(_text, pools)), unknown)


def _need(
    quota: Quota | None, name: str, needed: int, of: tuple[str, ...], uncounted: tuple[str, ...] = ()
) -> QuotaNeed:
    return QuotaNeed(
        service=quota.service if quota else SERVICE,
        code=quota.code if quota else None,
        name=quota.name if quota else name,
        needed=needed,
        others=needed,
        counts=quota.counts if quota else None,
        of=of,
        uncounted=uncounted,
        default=quota.default if quota else None,
        source=quota.source if quota else "no quota of this name is known here",
        as_of=quota.as_of if quota else "2026-11",
    )


def _text(pool: MachinePool) -> str:
    return f"{pool.max_nodes} × {pool.machine_type}"
