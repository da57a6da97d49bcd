"""Where a request's first call goes, and where an extra one may after a failure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from serving.gateway.context import RequestContext
from serving.gateway.refusal import Refusal
from serving.gateway.routing.overflow import FAILED, FULL, QUEUE, UNHEALTHY, Overflow
from serving.gateway.routing.pool import Pool
from serving.gateway.routing.replica import Replica
from serving.gateway.routing.table import Destinations
from serving.gateway.waiting.admission import boundary_refused, wait_for_replica

# Another replica may do better. 500 is not among them: it may be the request's own fault, and would then hurt again.
RETRIED_STATUSES = frozenset((429, 502, 503, 504))

Place = tuple[Pool, Replica]


async def first_place(context: RequestContext, destinations: Destinations, pool: Pool) -> Place:
    """When no replica was free at once: wait where that is configured, then fall back, then try the untrusted."""
    allowed = context.boundaries
    if allowed is not None and allowed.isdisjoint(pool.boundaries):
        place = _fall_back(context, destinations, pool)
        if place is None:
            raise boundary_refused()
        return place
    overflow = destinations.overflow
    if overflow is not None and overflow.pool is pool:
        place = await _over(context, pool, overflow)
        if place is not None:
            return place
    if not (pool.hold or pool.limited):
        place = _fall_back(context, destinations, pool)
        if place is not None:
            return place
    try:
        return pool, await wait_for_replica(context, pool)
    except Refusal:
        place = _fall_back(context, destinations, pool)
        if place is not None:
            return place
        if pool.hold is None and pool.routing.eject.when_none_left == "try" and not pool.ready:
            replica = pool.take_any(context)
            if replica is not None:
                return pool, replica
        raise


async def _over(context: RequestContext, pool: Pool, overflow: Overflow) -> Place | None:
    """No own replica is free: wait for one as long as is worth it, then go to the next site if that takes it."""
    reason = FULL if pool.ready else UNHEALTHY
    if overflow.config.wait_seconds and pool.limited and pool.ready and overflow.may_go(context, context.policy.ledger):
        try:
            return pool, await wait_for_replica(context, pool, overflow.config.wait_seconds)
        except Refusal:
            reason = QUEUE
            overflow.waited_too_long()
    replica = overflow.take(context, context.policy.ledger, reason)
    return None if replica is None else (overflow.there, replica)


def _fall_back(context: RequestContext, destinations: Destinations, pool: Pool) -> Place | None:
    """The first other pool, in declared order, with a trusted replica that is free."""
    for other in _others(destinations, pool):
        replica = _take(context, destinations, other, FULL, ()) if not other.queue.size else None
        if replica is not None:
            return other, replica
    return None


def _take(
    context: RequestContext, destinations: Destinations, other: Pool, reason: str, tried: Sequence[Replica]
) -> Replica | None:
    """From a pool that is not the one asked first."""
    overflow = destinations.overflow
    if overflow is not None and other is overflow.there:
        return overflow.take(context, context.policy.ledger, reason, tried)
    replica = other.take(context, tried)
    if replica is not None:
        other.counters.fallbacks += 1
    return replica


def _others(destinations: Destinations, pool: Pool) -> list[Pool]:
    # A route that fails goes back to the model's own replicas before it goes anywhere else.
    others = [other for other in (destinations.pool, *destinations.fallbacks) if other is not pool]
    return list(dict.fromkeys(others))


def next_place(
    context: RequestContext, destinations: Destinations, pool: Pool, tried: list[Replica], *, sent: bool = True
) -> Place | None:
    """Where an extra call may go: to a replica that has not failed this request, within the budget; or None.

    `sent` is False when the failed call never reached an engine: another one is then the first, not an extra one.
    """
    home = destinations.pool
    if len(tried) > home.routing.retries.attempts:
        return None
    for other in (pool, *_others(destinations, pool)):
        replica = other.take(context, tried) if other is pool else _take(context, destinations, other, FAILED, tried)
        if replica is None:
            continue
        if sent and not home.budget.take(time.monotonic()):
            home.counters.retries_denied += 1
            replica.in_flight -= 1
            return None
        home.counters.retries += 1
        return other, replica
    return None


async def held_place(context: RequestContext, destinations: Destinations, pool: Pool, replica: Replica) -> Place | None:
    """After a connection could not be made: nothing was sent, so a model that holds requests holds this one too, and
    one that the next site did not take waits for its own.

    Only where a probe will tell when to go on: otherwise this would be a loop.
    """
    overflow = destinations.overflow
    if overflow is not None and pool is overflow.there:
        pool = overflow.pool
        return pool, await wait_for_replica(context, pool)
    if pool.hold is None or not replica.probed:
        return None
    return pool, await wait_for_replica(context, pool)
