"""One model's replicas: which one gets the next request, who is trusted, and who waits for a free one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from math import inf

from serving.gateway.engine_trust import EngineTrust
from serving.gateway.facts import RequestFacts
from serving.gateway.routing.breaker import Breaker
from serving.gateway.routing.budget import RetryBudget
from serving.gateway.routing.config import RoutingConfig, UpstreamConfig
from serving.gateway.routing.counters import Counters
from serving.gateway.routing.prefix import SCORE_MASK, prefix_key
from serving.gateway.routing.replica import Outcome, Replica, State
from serving.gateway.routing.saturation import Saturation
from serving.gateway.routing.versions import Versions
from serving.gateway.waiting.config import HoldConfig, QueueConfig
from serving.gateway.waiting.demand import Demand
from serving.gateway.waiting.queue import Entry, FairQueue

# How many waiting requests a free replica is offered to when it stands where some of them may not go.
_MOST_OFFERS = 64


class Waiter:
    """A request that waits for a replica. Its future gets one, already counted as in flight. After `late_at` it lets
    those pass who are not late."""

    __slots__ = ("context", "future", "late_at")

    def __init__(self, context: RequestFacts, future: asyncio.Future[Replica], late_at: float = inf) -> None:
        self.context = context
        self.future = future
        self.late_at = late_at


class Source:
    """One entry of `upstreams`: its addresses are given, or found by discovery later."""

    __slots__ = ("addresses", "authorization", "boundary", "config", "trust")

    def __init__(
        self, config: UpstreamConfig, boundary: str, authorization: str | None, trust: EngineTrust | None = None
    ) -> None:
        self.config = config
        self.boundary = boundary
        self.authorization = authorization
        self.trust = trust
        self.addresses: tuple[str, ...] = (config.url,) if config.discover is None else ()


class Pool:
    """One per model name, for the life of the process: a reload configures it anew, and what runs or waits in it goes
    on. `ready` is rebuilt when a replica's state changes, so that choosing looks at nothing else."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sources: list[Source] = []
        self.replicas: tuple[Replica, ...] = ()
        self.ready: list[Replica] = []
        self.trials: list[Replica] = []
        self.queue: FairQueue[Waiter] = FairQueue()
        self.counters = Counters()
        self.versions: Versions | None = None
        self.saturation = Saturation()
        self.boundaries: frozenset[str] = frozenset()
        self.limited = False
        self.hold: HoldConfig | None = None
        self.queueing = QueueConfig()
        self.routing = RoutingConfig()
        self.budget = RetryBudget(self.routing.retries)
        self.breaker = Breaker(self)
        self.any_reachable = False
        # Requests since the process started, and what an autoscaler is told of them.
        self.came = 0
        self.demand: Demand | None = None
        # Whether what came is what starts the first replica.
        self.wakes = False
        # When a client last got its whole answer from here.
        self.answered_at = -inf
        # Whether another model's replicas may serve instead.
        self.alternatives = False
        # Whether ejecting a replica would change anything: not where it is the only way.
        self.guarded = False
        self.hang_seconds = inf
        self._prefix = False
        self._load_factor = self.routing.load_factor
        self._known: dict[tuple[str, str | None, str, str, str | None], Replica] = {}
        self._turn = 0

    def configure(
        self,
        sources: list[Source],
        routing: RoutingConfig,
        queueing: QueueConfig,
        hold: HoldConfig | None,
        *,
        alternatives: bool,
        hang_seconds: float,
    ) -> None:
        """At the start and after a reload. Discovered addresses of an unchanged entry stay until discovery says
        otherwise."""
        before = {(source.config.url, source.config.discover): source.addresses for source in self.sources}
        for source in sources:
            if source.config.discover is not None:
                source.addresses = before.get((source.config.url, source.config.discover), ())
        self.sources = sources
        self.boundaries = frozenset(source.boundary for source in sources)
        self.limited = any(source.config.concurrent_requests for source in sources)
        self.routing = routing
        self.queueing = queueing
        self.hold = hold
        self.alternatives = alternatives
        self.hang_seconds = routing.eject.hang_seconds or hang_seconds
        self.budget.configure(routing.retries)
        self._prefix = routing.balance == "prefix"
        self._load_factor = routing.load_factor
        self.assemble()

    @property
    def has_a_way_out(self) -> bool:
        """Whether a request that finds no replica may wait for one, or is served by another model's."""
        return self.hold is not None or self.alternatives

    @property
    def stays_in_reach(self) -> bool:
        """Whether requests are wanted here although no replica is reachable: the first one is what wakes it."""
        return self.has_a_way_out or (self.wakes and not self.replicas)

    def assemble(self) -> None:
        """After addresses changed. Known replicas keep their state; those that are gone end what they run."""
        known: dict[tuple[str, str | None, str, str, str | None], Replica] = {}
        for source in self.sources:
            config = source.config
            for url in source.addresses:
                key = (url, source.authorization, config.kind, source.boundary, config.model)
                replica = self._known.get(key) or Replica(url, config, source.boundary, source.authorization, self.name)
                replica.adopt(config, source.trust)
                known[key] = replica
        self._known = known
        self.replicas = tuple(known.values())
        eject = self.routing.eject
        self.guarded = len(self.replicas) > 1 or self.has_a_way_out or eject.when_none_left == "refuse"
        self.refresh()

    def refresh(self) -> None:
        """After a replica's state, reachability or limit changed."""
        closed = [replica for replica in self.replicas if replica.state == State.CLOSED]
        good = [replica for replica in closed if replica.reachable or not replica.asked]
        self.any_reachable = any(replica.reachable for replica in self.replicas)
        self.trials = [
            replica
            for replica in self.replicas
            if replica.state == State.TRIAL and not replica.trying and replica.reachable
        ]
        # Probes may be wrong: without another way the request itself finds out.
        self.ready = good if good or self.has_a_way_out else closed
        if self.queue.size:
            self.wake()

    def take(self, context: RequestFacts, tried: Sequence[Replica] = ()) -> Replica | None:
        """A replica for this request, counted as in flight; None when there is none or all are full.

        `tried` are those that failed this very request: an extra call goes to a trusted other one or nowhere.
        """
        allowed = context.boundaries
        if self.trials and not tried:
            for replica in self.trials:
                if (allowed is None or replica.boundary in allowed) and replica.in_flight < replica.limit:
                    self.trials.remove(replica)
                    replica.trying = True
                    replica.in_flight += 1
                    return replica
        ready = self.ready
        if tried:
            ready = [replica for replica in ready if replica not in tried and replica.state == State.CLOSED]
        if allowed is not None:
            ready = [replica for replica in ready if replica.boundary in allowed]
        by_prefix = self._prefix and len(ready) > 1
        chosen = self._by_prefix(context, ready) if by_prefix else self._least_in_flight(ready)
        if chosen is not None:
            chosen.in_flight += 1
        return chosen

    def take_any(self, context: RequestFacts) -> Replica | None:
        """The last resort when nobody is trusted: whoever is below its limit."""
        allowed = context.boundaries
        chosen = self._least_in_flight(
            [replica for replica in self.replicas if allowed is None or replica.boundary in allowed]
        )
        if chosen is not None:
            chosen.in_flight += 1
        return chosen

    def _least_in_flight(self, ready: list[Replica]) -> Replica | None:
        """Relative to its weight; among equals the one whose turn is longest ago."""
        chosen: Replica | None = None
        least = inf
        turn = 0
        for replica in ready:
            running = replica.in_flight
            if running < replica.limit:
                load = (running + 1) * replica.share
                if load < least or (load == least and replica.turn < turn):
                    chosen = replica
                    least = load
                    turn = replica.turn
        if chosen is not None:
            self._turn += 1
            chosen.turn = self._turn
        return chosen

    def _by_prefix(self, context: RequestFacts, ready: list[Replica]) -> Replica | None:
        """The highest rendezvous score among those below the bounded load; at least one always is."""
        key = context.prefix
        if key is None:
            key = context.prefix = prefix_key(context.document, self.routing.prefix_characters)
        left, right = key
        running = 0
        weight = 0.0
        for replica in ready:
            running += replica.in_flight
            weight += replica.weight
        bound = self._load_factor * running / weight
        chosen: Replica | None = None
        highest = -1
        for replica in ready:
            load = replica.in_flight
            if load <= bound * replica.weight and load < replica.limit:
                seed = replica.seed
                # prefix.score, written out: a call each would cost more than the scoring.
                value = ((left ^ seed[0]) * (right ^ seed[1])) >> 32 & SCORE_MASK
                if value > highest:
                    chosen = replica
                    highest = value
        # Every one below the mean may be at a limit of its own.
        return chosen or self._least_in_flight(ready)

    def release(self, replica: Replica, outcome: Outcome, retry_after: bytes | None = None) -> None:
        """A call ended: free its place, learn from it, and let the next one in."""
        replica.in_flight -= 1
        if self.guarded and (outcome != Outcome.GOOD or replica.history or replica.state):
            self.breaker.learn(replica, outcome, retry_after)
        if self.queue.size:
            self.wake()

    def wake(self) -> None:
        """Hand free replicas to those who wait, in their order."""
        passed: list[Entry[Waiter]] = []
        now = time.monotonic()
        while self.queue.size and len(passed) < _MOST_OFFERS:
            entry = self.queue.pop()
            waiter = entry.item
            if waiter.future.done():
                continue
            if now > waiter.late_at:
                # Late whatever happens: served before others, it would only make them late too.
                waiter.late_at = inf
                self.queue.put_behind(entry)
                continue
            replica = self.take(waiter.context)
            if replica is not None:
                waiter.future.set_result(replica)
                continue
            passed.append(entry)
            if waiter.context.boundaries is None:
                break  # nothing is free anywhere
        for entry in passed:
            self.queue.put_back(entry)

    def unreachable(self, replica: Replica) -> None:
        """No connection could be made: not asked again until a probe succeeds."""
        if replica.probed and (replica.reachable or not replica.asked):
            replica.reachable = False
            replica.asked = True
            self.refresh()

    def running(self) -> int:
        """Requests at this model's replicas now."""
        return sum(replica.in_flight for replica in self.replicas)

    def waiting(self) -> tuple[int, int]:
        """Requests waiting here: for a free replica, and for any ready one."""
        return (self.queue.size, 0) if self.ready or self.trials else (0, self.queue.size)
