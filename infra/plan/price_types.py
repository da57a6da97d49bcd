"""The plan's words for money: what machines and tokens cost, and who says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelPrice:
    """What a million tokens of answers cost in machines of its own at that performance: at full load, all replicas."""

    dollars_per_million_output_tokens: float


@dataclass(frozen=True, kw_only=True)
class Dollars:
    """At the fewest and at the most replicas."""

    min: float
    max: float


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Machines, GB kept or GB moved in a month, at the fewest and at the most replicas."""

    min: float
    max: float


@dataclass(frozen=True, kw_only=True)
class PriceLine:
    """One thing that is paid for. Dollars are None, never 0, where nobody says a price."""

    site: str
    what: str
    item: str
    amount: Amount
    dollars_per_month: Dollars | None
    source: str | None
    as_of: str | None


@dataclass(frozen=True, kw_only=True)
class PricePlan:
    """What the clouds of all sites charge, without what leaves them. `as_of` is the oldest date of a price; `lines`
    without a price are in no sum."""

    dollars_per_hour: Dollars
    dollars_per_month: Dollars
    as_of: str | None
    lines: tuple[PriceLine, ...]
