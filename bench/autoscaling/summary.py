"""What days add up to: means with 95 % intervals over seeds, and who is compared with whom."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.autoscaling.scenario import Scenario
from bench.autoscaling.simulator import Outcome
from infra.objective import KEPT_FOR_PERCENT

# Student's t, two-sided 95 %, by degrees of freedom; beyond, the normal one is near enough.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of one policy. Shares are of all requests that came, in percent; refused ones are in none."""

    gpu_hours: float
    in_time: float
    first_token_in_time: float
    per_token_in_time: float
    refused: float
    cold_starts: float


@dataclass(frozen=True)
class Interval:
    """A mean and how far from it the true one may be, with 95 % confidence; nothing is known from one day."""

    mean: float
    margin: float

    def rounded(self, digits: int) -> dict[str, float | None]:
        return {"mean": round(self.mean, digits), "margin": None if math.isnan(self.margin) else round(self.margin, 2)}


def judged(outcome: Outcome, plan: Scenario) -> Day:
    """A day against the objective: the first token, and each further one on average."""
    first = [seconds <= plan.time_to_first_token_seconds for seconds in outcome.first_token]
    then = [seconds <= plan.time_per_output_token_seconds for seconds in outcome.per_token]
    count = max(1, len(first))
    return Day(
        gpu_hours=outcome.replica_seconds * plan.gpus_per_replica / 3600,
        in_time=100 * sum(in_time(outcome, plan)) / count,
        first_token_in_time=100 * sum(first) / count,
        per_token_in_time=100 * sum(then) / count,
        refused=100 * outcome.refused / count,
        cold_starts=outcome.starts,
    )


def in_time(outcome: Outcome, plan: Scenario) -> list[bool]:
    """Of each request."""
    first_seconds, token_seconds = plan.time_to_first_token_seconds, plan.time_per_output_token_seconds
    return [
        first <= first_seconds and each <= token_seconds
        for first, each in zip(outcome.first_token, outcome.per_token, strict=True)
    ]


def interval(values: Sequence[float]) -> Interval:
    """Student's, since days are few."""
    if len(values) < 2:
        return Interval(statistics.fmean(values), math.nan)
    t = _T[len(values) - 2] if len(values) - 2 < len(_T) else 1.96
    return Interval(statistics.fmean(values), t * statistics.stdev(values) / math.sqrt(len(values)))


def row(days: Sequence[Day]) -> dict[str, Any]:
    """A policy's days, as the report has them."""
    return {
        "gpu_hours": interval([one.gpu_hours for one in days]).rounded(1),
        "in_time_percent": interval([one.in_time for one in days]).rounded(2),
        "first_token_in_time_percent": interval([one.first_token_in_time for one in days]).rounded(2),
        "per_token_in_time_percent": interval([one.per_token_in_time for one in days]).rounded(2),
        "refused_percent": interval([one.refused for one in days]).rounded(2),
        "cold_starts": interval([one.cold_starts for one in days]).rounded(0),
    }


def fewer_percent(ours: Sequence[Day], other: Sequence[Day]) -> Interval:
    """GPU-hours saved, day by day: both had the same requests."""
    return interval([100 * (1 - a.gpu_hours / b.gpu_hours) for a, b in zip(ours, other, strict=True)])


def best(ours: Sequence[Day], others: Mapping[str, Sequence[Day]]) -> str:
    """Who needs the fewest GPU-hours of those that count: whoever keeps the objective or has as much in time as we, and
    in any case whoever has most in time."""
    share = min(mean_in_time(ours), KEPT_FOR_PERCENT)
    most = max(others, key=lambda name: mean_in_time(others[name]))
    enough = [name for name, days in others.items() if name == most or mean_in_time(days) >= share]
    return min(enough, key=lambda name: sum(day.gpu_hours for day in others[name]))


def against(ours: Sequence[Day], others: Mapping[str, Sequence[Day]]) -> dict[str, Any]:
    """The verdict, with both shares of requests in time."""
    name = best(ours, others)
    return {
        "than": name,
        "percent": fewer_percent(ours, others[name]).rounded(1),
        "in_time_percent": {"ours": round(mean_in_time(ours), 2), "theirs": round(mean_in_time(others[name]), 2)},
        "keeps_objective": mean_in_time(ours) >= KEPT_FOR_PERCENT,
    }


def mean_in_time(days: Sequence[Day]) -> float:
    """In percent of all that came."""
    return statistics.fmean(day.in_time for day in days)
