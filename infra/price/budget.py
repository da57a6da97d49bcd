"""Budget: refuses what costs more than a month may, and says what would fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.price.bill import Bill, Line
from infra.problems import Problem

SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Another way to reach the same objective, with the whole bill it would make; None where it has no price."""

    name: str
    dollars_per_month: float | None


def budget_problems(
    where: str, made: Bill, dollars_per_month: float | None, candidates: Sequence[Candidate] = ()
) -> Iterator[Problem]:
    """Over budget at the fewest replicas, or not known because something has no price."""
    if dollars_per_month is None:
        return
    if made.dollars_per_month_minimum > dollars_per_month:
        fitting = [c for c in _priced(candidates) if (c.dollars_per_month or 0) <= dollars_per_month]
        largest = max(made.lines, key=lambda line: line.dollars_per_month_minimum or 0)
        fits = " or ".join(
            [
                *(f"{c.name} ({_money(c.dollars_per_month or 0)})" for c in fitting[:SHOWN]),
                *_fewer(largest, made.dollars_per_month_minimum - dollars_per_month),
            ]
        )
        yield Problem(
            where=where,
            found=f"{_money(made.dollars_per_month_minimum)} a month at the fewest replicas, most of it "
            f"{largest.what} ({_money(largest.dollars_per_month_minimum or 0)})",
            allowed=f"{_money(dollars_per_month)} a month",
            remedy=f"what would fit: {fits}"
            if fits
            else f"raise the budget to {_money(made.dollars_per_month_minimum)}, or ask for less: nothing known fits",
        )
    if made.unpriced:
        yield Problem(
            where=where,
            found=f"no price for {', '.join(made.unpriced)}",
            allowed="a price for everything, where there is a budget",
            remedy="give these prices as `pricing.prices`, or choose what has a price",
        )


def budget_warnings(where: str, made: Bill, dollars_per_month: float | None) -> Iterator[str]:
    """Replicas that the budget does not pay for: scaling out is allowed, and costs more than was said."""
    if dollars_per_month is None or made.dollars_per_month_minimum > dollars_per_month:
        return
    least, most = made.dollars_per_month_minimum, made.dollars_per_month_maximum
    if most > dollars_per_month:
        part = (dollars_per_month - least) / (most - least)
        yield (
            f"{where}: {_money(most)} a month when everything scales out, over {_money(dollars_per_month)}: the budget "
            f"pays for {part:.0%} of the way from the fewest to the most replicas"
        )


def _fewer(line: Line, over: float) -> Iterator[str]:
    """How many of the dearest machines the budget does pay for, if any."""
    each = (line.dollars_per_month_minimum or 0) / line.minimum
    count = math.floor(line.minimum - over / each)
    if count >= 1:
        yield f"{count} instead of {line.minimum:g} in {line.what}"


def _priced(candidates: Sequence[Candidate]) -> list[Candidate]:
    priced = [candidate for candidate in candidates if candidate.dollars_per_month is not None]
    return sorted(priced, key=lambda candidate: (candidate.dollars_per_month or 0, candidate.name))


def _money(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars < 100 else f"${dollars:,.0f}"
