"""GET /scaling/MODEL: how much work a model has, for an autoscaler. The fleet's total where gateways share counts.

With `demand` also what the last hour needed, so that replicas are there before a burst is."""

from __future__ import annotations

import hashlib
import hmac

import orjson

from serving.gateway.limits.fleet import Counts, Fleet
from serving.gateway.refusal import MODEL_NOT_FOUND, UNAUTHENTICATED
from serving.gateway.routing.pool import Pool


def work_of(pool: Pool) -> Counts:
    """This process's share."""
    queued, held = pool.waiting()
    return Counts(pool.running(), queued, held, pool.demand.last if pool.demand else 0)


def scaling_body(
    pools: dict[str, Pool], model: str, fleet: Fleet, key: str | None, authorization: bytes | None
) -> bytes:
    """The answer's body. Raises 401 for a wrong key and 404 for a model that is not configured.

    `complete` is false while the shared store is away: `total` is then this process's share only, and an autoscaler
    that sees it should not scale down by it.
    """
    if key is not None:
        given = hashlib.sha256(authorization or b"").digest()
        if not hmac.compare_digest(given, hashlib.sha256(b"Bearer " + key.encode()).digest()):
            raise UNAUTHENTICATED
    pool = pools.get(model)
    if pool is None:
        raise MODEL_NOT_FOUND
    counts = fleet.total(model)
    return orjson.dumps(
        {
            "model": model,
            **_fields(counts),
            **_demanded(pool, counts),
            "complete": fleet.complete,
            "process": _fields(work_of(pool)),
        }
    )


def look_at(pools: dict[str, Pool], fleet: Fleet) -> None:
    """Once a second: what came, and what is there."""
    watched = [(pool, pool.demand) for pool in pools.values() if pool.demand is not None]
    for pool, demand in watched:
        demand.count(pool.came)
    for pool, demand in watched:
        demand.look(fleet.others(pool.name).came, in_flight(fleet.total(pool.name)))


def in_flight(counts: Counts) -> int:
    """At engines, and waiting."""
    return counts.running + counts.queued + counts.held


def _demanded(pool: Pool, counts: Counts) -> dict[str, float]:
    demand = pool.demand
    if demand is None:
        return {}
    return {
        "arriving_per_second": round(demand.arriving_per_second(), 3),
        "mean_in_flight": round(demand.mean_in_flight(in_flight(counts)), 6),
    }


def _fields(counts: Counts) -> dict[str, int]:
    return {"running": counts.running, "queued": counts.queued, "held": counts.held, "total": in_flight(counts)}
