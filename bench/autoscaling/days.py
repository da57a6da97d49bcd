"""Days of requests: an hour of Azure's trace over and over, at each hour's load, with bursts that nobody foresees."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass

from infra.catalog.traces import Request, published

AZURE = {"conv": "azure_2023_conversation", "code": "azure_2023_code"}
HOUR = 3600.0
# So that copies of a request are not one thing: neither at once, nor in the same order.
JITTER_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a day is made of: the load of each hour as a multiple of the trace's, and how often, how long and how
    strongly more than that comes at once."""

    factors: tuple[float, ...]
    bursts_per_day: float = 6.0
    burst_seconds: tuple[float, float] = (120.0, 600.0)
    burst_factor: float = 2.0

    @property
    def seconds(self) -> float:
        return len(self.factors) * HOUR

    def factor(self, second: float) -> float:
        """Between the middles of hours it changes evenly, and the day repeats."""
        place = second / HOUR - 0.5
        before = math.floor(place)
        first, then = (self.factors[(before + step) % len(self.factors)] for step in (0, 1))
        return first + (then - first) * (place - before)


def trace(name: str) -> tuple[Request, ...]:
    """One of Azure's, from its first request on."""
    return published(AZURE[name]).requests


def day(name: str, load: Load, seed: int, context_tokens: int) -> list[Request]:
    """One day. Each hour begins somewhere else in the trace; prompts are cut to what the context holds."""
    chance, rows = random.Random(f"{name} {seed}"), trace(name)
    span, bursts = rows[-1].at, _bursts(load, chance)
    found: list[Request] = []
    for hour in range(len(load.factors)):
        offset = chance.random() * span
        for row in rows:
            at = hour * HOUR + (row.at + offset) % span * HOUR / span
            wanted = load.factor(at)
            if bursts and any(begins <= at < ends for begins, ends in bursts):
                wanted *= load.burst_factor
            copies = math.floor(wanted) + (chance.random() < wanted % 1)
            for _ in range(copies):
                moved = min(max(0.0, at + chance.uniform(-JITTER_SECONDS, JITTER_SECONDS)), load.seconds)
                output = max(1, min(row.output_tokens, context_tokens - 1))
                found.append(Request(moved, min(row.input_tokens, context_tokens - output), output))
    return sorted(found, key=lambda one: one.at)


def busiest_minute(requests: Iterable[Request]) -> float:
    """Requests a second in the minute that has most."""
    counts: dict[int, int] = {}
    for one in requests:
        minute = int(one.at // 60)
        counts[minute] = counts.get(minute, 0) + 1
    return max(counts.values()) / 60


def _bursts(load: Load, chance: random.Random) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    at = 0.0
    while load.bursts_per_day > 0:
        at += chance.expovariate(load.bursts_per_day / (24 * HOUR))
        if at >= load.seconds:
            break
        found.append((at, at + chance.uniform(*load.burst_seconds)))
    return found
