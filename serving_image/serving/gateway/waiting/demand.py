"""What came in the last hour, second by second, and how much at a time must be taken for nearly all to be in time.

Kept for each model whose configuration has `demand`; an autoscaler reads it at GET /scaling/MODEL.
"""

from __future__ import annotations

from collections import deque

HOUR_SECONDS = 3600


class Demand:
    """Of one model, over all gateways where they count together. One that just started says what it has seen."""

    __slots__ = ("arrivals", "before", "in_flight", "kept_percent", "last", "slice_seconds")

    def __init__(self) -> None:
        self.slice_seconds = 1
        self.kept_percent = 0.0
        self.arrivals: deque[int] = deque(maxlen=HOUR_SECONDS)
        self.in_flight: deque[int] = deque(maxlen=1)
        # How many had come altogether when it last looked, and how many of them in its last second: this process's.
        self.before = 0
        self.last = 0

    def configure(self, slice_seconds: int, mean_seconds: int, kept_percent: float) -> None:
        """At the start and after a reload: what was seen stays."""
        self.slice_seconds = slice_seconds
        self.kept_percent = kept_percent
        if self.in_flight.maxlen != mean_seconds:
            self.in_flight = deque(self.in_flight, maxlen=mean_seconds)

    def count(self, came: int) -> None:
        """Once a second, with how many requests have come to this process altogether."""
        self.last = came - self.before
        self.before = came

    def look(self, others: int, in_flight: int) -> None:
        """After `count`: how many came to other gateways in their last second, and all that are in flight."""
        self.arrivals.append(self.last + others)
        self.in_flight.append(in_flight)

    def arriving_per_second(self) -> float:
        """Requests a second that must be taken so that of all that came, `kept_percent` are taken in the slice of time
        that they came in."""
        seconds = list(self.arrivals)
        width = self.slice_seconds
        slices = [sum(seconds[at : at + width]) for at in range(0, len(seconds) - width + 1, width)]
        return taken(slices, self.kept_percent) / width

    def mean_in_flight(self, now: int) -> float:
        """With those who are there now: whoever comes first is seen at once."""
        return (sum(self.in_flight) + now) / (len(self.in_flight) + 1)


def taken(slices: list[int], kept_percent: float) -> float:
    """How many each slice must take for at most the rest of all to be beyond that."""
    total = sum(slices)
    beyond = total * (1 - kept_percent / 100)
    above = 0
    fullest = sorted(slices, reverse=True)
    for place, count in enumerate(fullest):
        above += count
        # What lies above this level in the fullest slices grows until the next one is as full as it.
        level = (above - beyond) / (place + 1)
        if level >= (fullest[place + 1] if place + 1 < len(fullest) else 0):
            return level
    return 0.0
