"""Totals that tell no client anything about another: differentially private, with exact integers.

What one client may add to a total is cut to a number that is said beforehand, and discrete Laplace noise of that number
over epsilon is added: whoever sees the result can hardly tell whether any one client was there. The noise is drawn
exactly, with whole numbers only (Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy", 2020,
algorithm 2): floating point leaks (Mironov, 2012). Epsilon is spent on each period anew; days of a month add up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from secrets import randbelow

from infra.usage.totals import DAY, NOBODY, Key, Total

Below = Callable[[int], int]
# Of each period: half for requests, half for tokens.
QUANTITIES = 2


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """`epsilon` of one period, and what one client counts for at most in it."""

    epsilon: Fraction
    most_requests: int
    most_tokens: int


@dataclass(frozen=True, kw_only=True)
class PrivateTotal:
    """Of all clients together, with noise; never below 0."""

    period: str
    requests: int
    tokens: int


def private_totals(sums: Mapping[Key, Total], bounds: Bounds, below: Below = randbelow) -> list[PrivateTotal]:
    """One for each period from the first to the last, those with nothing in them too."""
    each: dict[tuple[str, str], tuple[int, int]] = {}
    for (period, client, _), total in sums.items():
        if client == NOBODY:
            continue
        requests, tokens = each.get((period, client), (0, 0))
        each[period, client] = requests + total.requests, tokens + total.prompt_tokens + total.output_tokens
    share = bounds.epsilon / QUANTITIES
    found: list[PrivateTotal] = []
    for period in _every({period for period, _ in each}):
        there = [counts for (of, _), counts in each.items() if of == period]
        requests = sum(min(max(0, count), bounds.most_requests) for count, _ in there)
        tokens = sum(min(max(0, count), bounds.most_tokens) for _, count in there)
        found.append(
            PrivateTotal(
                period=period,
                requests=max(0, requests + discrete_laplace(bounds.most_requests / share, below)),
                tokens=max(0, tokens + discrete_laplace(bounds.most_tokens / share, below)),
            )
        )
    return found


def within(most: int, bounds: Bounds) -> int:
    """How far the noise of such a total is off, in 95 of 100 cases."""
    return math.ceil(float(most / (bounds.epsilon / QUANTITIES)) * math.log(20))


def discrete_laplace(scale: Fraction, below: Below = randbelow) -> int:
    """A whole number x with a probability proportional to exp(-|x| / scale)."""
    whole, parts = scale.numerator, scale.denominator
    while True:
        low = below(whole)
        if not _happens(Fraction(low, whole), below):
            continue
        high = 0
        while _happens(Fraction(1), below):
            high += 1
        size = (low + whole * high) // parts
        negative = below(2) == 1
        # Otherwise 0 would come twice as often.
        if not (negative and size == 0):
            return -size if negative else size


def _happens(exponent: Fraction, below: Below) -> bool:
    """With probability exp(-exponent), for exponents from 0 to 1."""
    count = 1
    while below(exponent.denominator * count) < exponent.numerator:
        count += 1
    return count % 2 == 1


def _every(periods: Iterable[str]) -> list[str]:
    """Without gaps: that a period is missing would tell that nobody was there."""
    known = sorted(periods)
    if not known:
        return []
    length = len(known[0])
    day, last = date.fromisoformat(f"{known[0]}-01"[:DAY]), date.fromisoformat(f"{known[-1]}-01"[:DAY])
    found: list[str] = []
    while day <= last:
        if (period := day.isoformat()[:length]) not in found[-1:]:
            found.append(period)
        day += timedelta(days=1)
    return found
