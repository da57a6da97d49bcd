"""A request limit per minute: GCRA on the monotonic clock, so that a moved wall clock changes nothing."""

from __future__ import annotations

import math
import time

BURST_SECONDS = 10
"""A client may spend this many seconds' worth of its limit at once (at least one request)."""


class RequestRate:
    """One client's limit. The whole state is one number: the theoretical arrival time of the next request."""

    __slots__ = ("_arrival", "_interval", "_tolerance", "burst", "per_minute")

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self.burst = max(1, per_minute * BURST_SECONDS // 60)
        self._interval = 60.0 / per_minute
        self._tolerance = self._interval * (self.burst - 1)
        self._arrival = 0.0

    def take(self, now: float | None = None) -> float:
        """Count one request; 0.0 if it is within the limit, otherwise the seconds until one would be."""
        if now is None:
            now = time.monotonic()
        arrival = max(self._arrival, now)
        wait = arrival - now - self._tolerance
        # 1 ns: without it a request at exactly the promised moment is refused by rounding.
        if wait > 1e-9:
            return wait
        self._arrival = arrival + self._interval
        return 0.0

    def inherit(self, previous: RequestRate) -> None:
        """After a reload: keep what was spent, so that reloading is not a way to a fresh burst."""
        spent_until = previous._arrival - time.monotonic()
        if spent_until > 0:
            # Scaled, because a debt of n requests is n of the new intervals.
            self._arrival = time.monotonic() + spent_until * self._interval / previous._interval


def retry_after(wait: float) -> bytes:
    """Whole seconds, rounded up: a client that waits as told is not refused again."""
    return b"%d" % max(1, math.ceil(wait))
