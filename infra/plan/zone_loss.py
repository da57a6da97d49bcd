"""What is left when a zone of a site goes, and whether that is enough: for sites that must outlive one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from infra.plan.types import Replicas, SitePlan


@dataclass(frozen=True, kw_only=True)
class SinglePoint:
    """What all replicas of a site need, and only one of its zones has. `field` is below the site's `platform`."""

    field: str
    found: str
    allowed: str
    remedy: str


def left(replicas: int, zones: int) -> int:
    """Of replicas that are spread evenly, when the zone with most of them goes."""
    return replicas - math.ceil(replicas / zones)


def enough(needed: int, zones: int) -> int:
    """As few replicas as leave so many. One zone leaves none, however many there are."""
    return needed if zones < 2 else next(n for n in range(needed, 2 * needed + 2) if left(n, zones) >= needed)


def with_zone_loss(plan: SitePlan, zones: int, needed: Mapping[str, int | None]) -> SitePlan:
    """The site's plan, which also says what a reader of it asks first: whether objectives hold without a zone."""
    said = [f"{left(plan.gateways, zones)} of {plan.gateways} gateways are left", *_of_models(plan, zones, needed)]
    return replace(plan, summary={**plan.summary, "with a zone gone": "; ".join(said)})


def _of_models(plan: SitePlan, zones: int, needed: Mapping[str, int | None]) -> Iterator[str]:
    for name in plan.models:
        replicas, wanted = plan.replicas[name], needed[name]
        there = left(replicas.min, zones)
        yield f"{name}: {there} of {replicas.min} replicas{_verdict(there, wanted, replicas, zones)}"


def _verdict(there: int, wanted: int | None, replicas: Replicas, zones: int) -> str:
    if wanted is None:
        return ""
    if there >= wanted:
        return f", its objective holds (needs {wanted})"
    more = enough(wanted, zones)
    until = ", until more have started" if replicas.max > replicas.min else ""
    return f", its objective does not hold{until} (needs {wanted}, which min_replicas {more} leaves)"
