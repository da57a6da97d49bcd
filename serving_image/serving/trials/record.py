"""What a trial leaves: figures, what had to hold, whether it did. Small enough for a pod's termination message."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

# Of a sorted sample, as many points as draw its curve.
PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 99, 100)
# Of the time that a load lasted, as many parts as draw its course.
PARTS = 30


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that had to hold: what, the figure (None where nothing came to measure), its bound, whether it was
    kept."""

    what: str
    measured: float | None
    allowed: float
    kept: bool


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of trial found: `figures` counted and measured by name, `curves` percentiles by name, `course` how
    many there were in each of equal parts of the time, by name, `errors` how often each came, `wrong` the cases whose
    answer was not right."""

    kind: str
    figures: dict[str, float]
    verdicts: list[Verdict]
    curves: dict[str, dict[str, float]] = {}
    course: dict[str, list[int]] = {}
    errors: dict[str, int] = {}
    wrong: list[str] = []


class Record(Outcome, frozen=True, kw_only=True):
    """An outcome with what was tried (`about`), on which model, when, and whether all that had to hold did."""

    model: str
    at: str
    about: dict[str, str]
    passed: bool


def percentile(sample: Sequence[float], percent: float) -> float:
    """Of a sorted sample, not empty: the least value that `percent` of a hundred do not exceed (nearest rank)."""
    return sample[max(0, math.ceil(percent / 100 * len(sample)) - 1)]


def curve(sample: Sequence[float]) -> dict[str, float]:
    """Its percentiles; empty for no sample."""
    ordered = sorted(sample)
    return {f"{p}": round(percentile(ordered, p), 4) for p in PERCENTILES} if ordered else {}


def counts(moments: Sequence[float], seconds: float) -> list[int]:
    """How many of them lie in each of PARTS equal parts of so many seconds."""
    found = [0] * PARTS
    for moment in moments:
        found[min(PARTS - 1, max(0, int(PARTS * moment / seconds)))] += 1
    return found
