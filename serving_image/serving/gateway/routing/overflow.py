"""A model that the next site serves as well: which of its requests go there, and why the others stay.

In this order: where the client's data may be, what may still be spent there today, and whether that site is in reach;
only then how full this one is. So nothing that is full here ever opens a boundary.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from serving.gateway.facts import RequestFacts
from serving.gateway.limits.ledger import Ledger
from serving.gateway.limits.quota import Price
from serving.gateway.routing.config import OverflowConfig
from serving.gateway.routing.pool import Pool
from serving.gateway.routing.prefix import PrefixKey, prefix_key
from serving.gateway.routing.replica import Replica

# Why a request went: `busy` from the share of running requests on, `kv_cache` from that of the engines' caches on,
# `queue` after it waited as long as it may, `full` without any place, `unhealthy` without any engine, `failed` after a
# failed call here.
BUSY, KV_CACHE, QUEUE, FULL, UNHEALTHY, FAILED = "busy", "kv_cache", "queue", "full", "unhealthy", "failed"
# Why one stayed that would have gone.
BOUNDARY, PRICE, UNAVAILABLE = "boundary", "price", "unavailable"


class Overflow:
    """From one model's pool to that of the same model at the next site."""

    __slots__ = ("_busy", "_kv_busy", "_kv_return", "_return", "config", "pool", "price", "there")

    def __init__(self, config: OverflowConfig, pool: Pool, there: Pool) -> None:
        self.config = config
        self.pool = pool
        self.there = there
        # With 100 it is full first, and then requests wait.
        self._busy = config.busy_percent if config.busy_percent < 100 else None
        self._return = config.return_percent
        kv = config.kv_cache
        self._kv_busy = 2.0 if kv is None else kv.percent / 100
        # In the same proportion.
        self._kv_return = self._kv_busy * config.return_percent / config.busy_percent
        self.price = None if config.price is None else Price(config.price)

    def choose(self, context: RequestFacts, ledger: Ledger) -> Replica | None:
        """A replica there, counted as in flight, for a request that goes at once. None: it is for this site.

        A conversation that this site has in its caches keeps what places are free; one that is there stays there until
        this site is below `return_percent` again, and then comes back.
        """
        pool = self.pool
        if pool.trials:
            return None  # one request must find out whether an ejected replica is good again
        saturation = pool.saturation
        now = time.monotonic()
        conversation = self._conversation(context)
        reason = self.measure(ledger)
        if reason and not (reason == BUSY and saturation.is_here(conversation, now) and self._has_room(context)):
            replica = self.take(context, ledger, reason)
            if replica is not None:
                return replica
        saturation.remember(conversation, now)
        return None

    def measure(self, ledger: Ledger) -> str:
        """Why requests go to the next site now; "" while they stay."""
        pool = self.pool
        if not pool.ready:
            return UNHEALTHY
        capacity = 0
        for replica in pool.ready:
            capacity += replica.limit
        # Replicas are shared by gateways, which tell each other; alone, one supposes that all have as much to do.
        running = pool.running()
        fleet = ledger.fleet
        running = running + fleet.others(pool.name).running if fleet.complete else running * ledger.store.gateways
        saturation = pool.saturation
        if self._busy is not None and running * 100 >= self._busy * capacity:
            saturation.reason = BUSY
        elif saturation.kv_cache >= self._kv_busy:
            saturation.reason = KV_CACHE
        elif running * 100 < self._return * capacity and saturation.kv_cache < self._kv_return:
            saturation.reason = ""
        return saturation.reason

    def waited_too_long(self) -> None:
        """A request was in the queue for `wait_seconds`: those after it need not be."""
        self.pool.saturation.reason = QUEUE

    def may_go(self, context: RequestFacts, ledger: Ledger) -> bool:
        """Whether the next site would get this request now."""
        return self._kept(context, ledger) == "" and bool(self.there.ready)

    def take(self, context: RequestFacts, ledger: Ledger, reason: str, tried: Sequence[Replica] = ()) -> Replica | None:
        """A replica there, counted as in flight, or None where this request may not or cannot go."""
        kept = self._kept(context, ledger)
        counters = self.pool.counters
        if not kept:
            there = self.there
            replica = there.take(context, tried)
            if replica is not None:
                key = (replica.boundary, reason)
                counters.overflows[key] = counters.overflows.get(key, 0) + 1
                there.counters.fallbacks += 1
                context.decisions = [*(context.decisions or ()), f"overflow:{reason}"]
                self.pool.saturation.forget(self._conversation(context))
                return replica
            kept = UNAVAILABLE
        if not context.overflow_kept:
            context.overflow_kept = True
            counters.kept[kept] = counters.kept.get(kept, 0) + 1
        return None

    def _kept(self, context: RequestFacts, ledger: Ledger) -> str:
        allowed = context.boundaries
        if allowed is not None and allowed.isdisjoint(self.there.boundaries):
            return BOUNDARY
        if self.price is not None and not ledger.may_overflow():
            return PRICE
        return ""

    def _has_room(self, context: RequestFacts) -> bool:
        allowed = context.boundaries
        for replica in self.pool.ready:
            if replica.in_flight < replica.limit and (allowed is None or replica.boundary in allowed):
                return True
        return False

    def _conversation(self, context: RequestFacts) -> PrefixKey:
        key = context.prefix
        if key is None:
            key = context.prefix = prefix_key(context.document, self.pool.routing.prefix_characters)
        return key
