"""What GET /figures.json says: rates and latencies of the last minutes, one point a second.

Nothing is counted for it: the totals that metrics keep anyway are read once a second, and only where there is an admin
listener.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any, NamedTuple

from serving.gateway.metrics import Metrics
from serving.gateway.state import GatewayState
from serving.gateway.telemetry.distribution import FIRST_TOKEN
from serving.gateway.telemetry.generation_metrics import DURATION
from serving.gateway.telemetry.request_metrics import Totals

_EVERY_SECONDS = 1.0
_POINTS = 300
# One second holds too few requests for a quantile.
_LATENCY_SECONDS = 10


class Point(NamedTuple):
    """One second. Rates are per second, latencies in seconds over the last `latency_seconds`; None: nothing ended."""

    time: float
    requests: float
    refused: float
    failed: float
    prompt_tokens: float
    output_tokens: float
    first_token_p50: float | None
    first_token_p95: float | None
    duration_p50: float | None
    duration_p95: float | None
    in_flight: int
    queued: int
    held: int


class Figures:
    """A ring of points, filled by `run`."""

    def __init__(self, state: GatewayState, metrics: Metrics) -> None:
        self._state = state
        self._metrics = metrics
        self._points: deque[Point] = deque(maxlen=_POINTS)
        self._totals = Totals(0, 0, 0, 0, 0)
        self._latencies: deque[tuple[list[int], list[int]]] = deque(maxlen=_LATENCY_SECONDS + 1)
        self._sampled_at = time.monotonic()

    def __call__(self) -> dict[str, Any]:
        """The document. Points are lists in the order of `fields`, oldest first."""
        return {
            "every_seconds": _EVERY_SECONDS,
            "latency_seconds": _LATENCY_SECONDS,
            "most_points": _POINTS,
            "fields": Point._fields,
            "points": [tuple(point) for point in self._points],
        }

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(_EVERY_SECONDS)

    def sample(self) -> None:
        """One more point; the first call only says from where to count."""
        now = time.monotonic()
        seconds = now - self._sampled_at
        totals = self._metrics.requests.totals()
        latencies = self._metrics.generations.latencies()
        before, self._totals, self._sampled_at = self._totals, totals, now
        self._latencies.append(latencies)
        if len(self._latencies) == 1:
            return
        more = Totals(*(new - old for new, old in zip(totals, before, strict=True)))
        first_token, duration = (
            [new - old for new, old in zip(*pair, strict=True)]
            for pair in zip(latencies, self._latencies[0], strict=True)
        )
        policy = self._state.policy
        waiting = [pool.waiting() for pool in policy.pools.values()]
        self._points.append(
            Point(
                time=round(time.time(), 3),
                requests=round(more.requests / seconds, 3),
                refused=round(more.refused / seconds, 3),
                failed=round(more.failed / seconds, 3),
                prompt_tokens=round(more.prompt_tokens / seconds, 3),
                output_tokens=round(more.output_tokens / seconds, 3),
                first_token_p50=quantile(FIRST_TOKEN, first_token, 0.50),
                first_token_p95=quantile(FIRST_TOKEN, first_token, 0.95),
                duration_p50=quantile(DURATION, duration, 0.50),
                duration_p95=quantile(DURATION, duration, 0.95),
                in_flight=sum(model.load.in_flight for model in policy.models.values()),
                queued=sum(queued for queued, _ in waiting),
                held=sum(held for _, held in waiting),
            )
        )


def quantile(bounds: tuple[float, ...], counts: list[int], share: float) -> float | None:
    """An estimate from buckets, as Prometheus makes it: evenly spread within a bucket, and above the last bound no
    more than that bound."""
    total = sum(counts)
    if not total:
        return None
    rank = share * total
    seen = 0
    lower = 0.0
    for upper, count in zip(bounds, counts, strict=False):
        if count and seen + count >= rank:
            return round(lower + (upper - lower) * (rank - seen) / count, 6)
        seen += count
        lower = upper
    return bounds[-1]
