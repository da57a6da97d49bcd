"""Figures and names as sentences and tables have them."""

from __future__ import annotations

from collections.abc import Iterable, Sized

from infra.plan.types import Replicas

MOST_NAMED = 8


def span(least: float, most: float) -> str:
    """An amount, or from what to what."""
    low, high = (f"{amount:,.2f}".removesuffix(".00") for amount in (least, most))
    return low if low == high else f"{low} to {high}"


def dollars(least: float, most: float) -> str:
    """Round dollars for a headline; cents only where there is nothing else."""
    low, high = (f"${amount:,.0f}" if amount >= 10 or not amount else f"${amount:,.2f}" for amount in (least, most))
    return low if low == high else f"{low} to {high}"


def replica_range(replicas: Replicas) -> str:
    return f"{replicas.min:,}" if replicas.min == replicas.max else f"{replicas.min:,} to {replicas.max:,}"


def some(names: Iterable[str], most: int = MOST_NAMED) -> str:
    """All of a few; of many, the first and how many more. JSON has them all."""
    listed = list(names)
    left = len(listed) - most
    return ", ".join(listed) if left <= 0 else f"{', '.join(listed[:most])} and {left} more"


def count(things: Sized | int, noun: str) -> str:
    number = things if isinstance(things, int) else len(things)
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
