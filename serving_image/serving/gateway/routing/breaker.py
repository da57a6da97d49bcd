"""Circuit breakers: eject a replica that fails or hangs, try it again later, take it back when it works."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from serving.gateway.routing.config import RoutingConfig
from serving.gateway.routing.counters import Counters
from serving.gateway.routing.replica import Outcome, Replica, State

# A busy replica rests this long at most, whatever its Retry-After says: others may be busier by then.
_LONGEST_COOLING_SECONDS = 2.0
_COOLING_SECONDS = 0.5


class Guarded(Protocol):
    """The pool, as far as its breakers need it."""

    routing: RoutingConfig
    hang_seconds: float
    counters: Counters

    @property
    def replicas(self) -> Sequence[Replica]:
        """All of them."""
        ...

    @property
    def ready(self) -> Sequence[Replica]:
        """Those that get requests."""
        ...

    def refresh(self) -> None:
        """A replica's state changed."""
        ...


class Breaker:
    """The breakers of one pool's replicas. Judges by real answers; /health only says when a trial makes sense."""

    __slots__ = ("_pool",)

    def __init__(self, pool: Guarded) -> None:
        self._pool = pool

    def learn(self, replica: Replica, outcome: Outcome, retry_after: bytes | None = None) -> None:
        """One call ended. Not called for a good one on a replica without a past: nothing to learn."""
        eject = self._pool.routing.eject
        failed = outcome in (Outcome.FAILED, Outcome.HUNG)
        if outcome != Outcome.NEUTRAL:
            replica.history = ((replica.history << 1) | failed) & ((1 << eject.of_last) - 1)
        if replica.state == State.TRIAL:
            self._judge_trial(replica, outcome)
        elif replica.state == State.OPEN:
            # Sent there because nobody was left, and it worked.
            if outcome == Outcome.GOOD and not self._pool.ready:
                self.recover(replica)
        elif replica.state == State.CLOSED:
            if outcome == Outcome.BUSY:
                self._cool(replica, retry_after)
            elif failed and (replica.history.bit_count() >= eject.failures or self._hangs(replica, outcome)):
                self.eject(replica, hung=outcome == Outcome.HUNG)

    def _judge_trial(self, replica: Replica, outcome: Outcome) -> None:
        if outcome in (Outcome.GOOD, Outcome.BUSY):
            self.recover(replica)
        elif outcome != Outcome.NEUTRAL:
            self.eject(replica, hung=outcome == Outcome.HUNG)
        elif not replica.in_flight:
            replica.trying = False
            self._pool.refresh()

    def _hangs(self, replica: Replica, outcome: Outcome) -> bool:
        """A stream was cut for silence, and no other stream of the replica heard anything since."""
        if outcome != Outcome.HUNG:
            return False
        silent = replica.silent_for(time.monotonic())
        return not replica.streams or silent >= self._pool.hang_seconds * 0.9

    def eject(self, replica: Replica, *, hung: bool) -> None:
        """No more requests for a while, twice as long as the last time unless that is long ago."""
        eject = self._pool.routing.eject
        now = time.monotonic()
        if now - replica.closed_at > eject.longest_seconds and replica.state == State.CLOSED:
            replica.opened_times = 0
        seconds = min(eject.longest_seconds, eject.seconds * 2 ** min(replica.opened_times, 20))
        replica.opened_times += 1
        replica.open_until = now + seconds
        replica.state = State.OPEN
        replica.trying = False
        replica.hung = hung
        counters = self._pool.counters
        counters.ejections += 1
        counters.hangs += hung
        self._pool.refresh()

    def recover(self, replica: Replica) -> None:
        """Trusted again."""
        replica.state = State.CLOSED
        replica.trying = replica.hung = False
        replica.history = 0
        replica.closed_at = time.monotonic()
        self._pool.counters.recoveries += 1
        self._pool.refresh()

    def _cool(self, replica: Replica, retry_after: bytes | None) -> None:
        """It answers 429 at once and would so have the fewest in flight: without a rest it would get everything."""
        asked = float(retry_after) if retry_after and retry_after.isdigit() else _COOLING_SECONDS
        replica.state = State.COOLING
        replica.open_until = time.monotonic() + min(asked, _LONGEST_COOLING_SECONDS)
        self._pool.refresh()

    def tick(self, now: float) -> list[Replica]:
        """A few times per second: end what is over, and eject what hangs. Returns ejected ones whose time is up after
        they hung: they are asked with a request of our own first, because a client's would hang there too."""
        due: list[Replica] = []
        changed = False
        for replica in self._pool.replicas:
            if replica.state == State.CLOSED or replica.state == State.TRIAL:
                if replica.streams and replica.silent_for(now) > self._pool.hang_seconds:
                    self.eject(replica, hung=True)
            elif now >= replica.open_until:
                if replica.state == State.COOLING:
                    replica.state = State.CLOSED
                    changed = True
                elif replica.hung:
                    due.append(replica)
                elif replica.reachable:
                    replica.state = State.TRIAL
                    changed = True
        if changed:
            self._pool.refresh()
        return due
