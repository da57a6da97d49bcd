"""The steps of a site's first deployment, as its platform knows them: how long each takes, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class UpStep:
    """One step of a first `up`, which begins when all that it is `after` have ended. `of` says what is made, `source`
    who says how long that takes, and when they said it."""

    name: str
    minutes_low: float
    minutes_high: float
    of: str
    after: tuple[str, ...]
    source: str


def minutes_in_all(steps: Iterable[UpStep]) -> tuple[float, float]:
    """From the beginning of the first to the end of the last, at best and at worst. Each comes behind what it is
    after; what is not among them is there already."""
    ended: dict[str, tuple[float, float]] = {}
    for step in steps:
        begun = [ended[name] for name in step.after if name in ended]
        low, high = (max((times[end] for times in begun), default=0.0) for end in (0, 1))
        ended[step.name] = (low + step.minutes_low, high + step.minutes_high)
    return max((low for low, _ in ended.values()), default=0.0), max((high for _, high in ended.values()), default=0.0)
