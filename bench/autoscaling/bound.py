"""What is possible: the fewest GPU-hours of somebody who knows the day, and starts replicas a start ahead of it.

It is a schedule that was found and then simulated, not a proof that there is none with less: in each slice it counts on
what as many replicas had in time that were there all along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.autoscaling.simulator import Fleet
from bench.autoscaling.summary import Day, fewer_percent, mean_in_time

SLICE_SECONDS = 15.0
# Seconds of a replica that a request in time is worth: nothing, to more than any day pays for. Each try halves between.
LEAST_WORTH, MOST_WORTH, TRIES = 0.25, 1024.0, 7


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """A day, foreseen. `in_time[count - least][slice]` is how many requests that come then are in time where so many
    replicas are there all along."""

    least: int
    in_time: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, at: Sequence[float], outcomes: Sequence[Sequence[bool]], least: int, seconds: float) -> Prospect:
        """From whether each request was in time, for `least` replicas and each further one."""
        found: list[tuple[int, ...]] = []
        for outcome in outcomes:
            counts = [0] * (int(seconds // SLICE_SECONDS) + 1)
            for second, good in zip(at, outcome, strict=True):
                counts[int(second // SLICE_SECONDS)] += good
            found.append(tuple(counts))
        return cls(least=least, in_time=tuple(found))


def schedule(prospect: Prospect, start_seconds: float, worth_seconds: float) -> list[int]:
    """Replicas in each slice, with the least time of replicas (those that start too) less `worth_seconds` for each
    request in time: a way of least cost through all counts, slice by slice."""
    counts, slices = range(len(prospect.in_time)), len(prospect.in_time[0])
    cost = [0.0] * len(counts)
    came: list[list[int]] = []
    for place in range(slices):
        # One more is a start; one less is free. The best way to `count` comes from below or from above.
        best, source = cost[:], list(counts)
        if place:
            for count in counts[1:]:
                if best[count - 1] + start_seconds < best[count]:
                    best[count], source[count] = best[count - 1] + start_seconds, source[count - 1]
            for count in reversed(counts[:-1]):
                if best[count + 1] < best[count]:
                    best[count], source[count] = best[count + 1], source[count + 1]
        came.append(source)
        cost = [
            best[count] + SLICE_SECONDS * (prospect.least + count) - worth_seconds * prospect.in_time[count][place]
            for count in counts
        ]
    count = min(counts, key=lambda count: cost[count])
    found: list[int] = []
    for source in reversed(came):
        found.append(prospect.least + count)
        count = source[count]
    return found[::-1]


class Foreseen:
    """The policy of somebody who has such a schedule, and starts each replica exactly a start ahead."""

    every_seconds = SLICE_SECONDS

    def __init__(self, counts: Sequence[int], start_seconds: float) -> None:
        self.counts = counts
        self.ahead = math.ceil(start_seconds / SLICE_SECONDS)

    def wanted(self, now: float, fleet: Fleet) -> int:
        del fleet
        place = int(now // SLICE_SECONDS)
        return max(self.counts[place : place + self.ahead + 1] or self.counts[-1:])


def foreseen(tried: Callable[[float], list[Day]], wanted_percent: float) -> list[Day]:
    """Of the tries with as much in time the one with the fewest GPU-hours, or the one with most in time."""
    low, high = math.log(LEAST_WORTH), math.log(MOST_WORTH)
    best = tried(MOST_WORTH)
    if mean_in_time(best) < wanted_percent:
        return best
    for _ in range(TRIES):
        middle = (low + high) / 2
        found = tried(math.exp(middle))
        if mean_in_time(found) >= wanted_percent:
            best, high = found, middle
        else:
            low = middle
    return best


def bound(known: Sequence[Day], policies: Mapping[str, Sequence[Day]], rival: Sequence[Day]) -> dict[str, Any]:
    """How many GPU-hours fewer than `rival` are possible, and how many times as many as that each needs."""
    hours = sum(day.gpu_hours for day in known)

    def times(days: Sequence[Day]) -> float:
        return round(sum(day.gpu_hours for day in days) / hours, 2)

    return {
        "days": len(known),
        "fewer_gpu_hours_percent": fewer_percent(known, rival).rounded(1),
        "times_as_many": {name: times(days) for name, days in policies.items()},
    }
