"""The words of prices: one price, and what a user may say about prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Purchase = Literal["on_demand", "spot", "reservation", "flex_start"]
# For an hour, for a GB kept a month, for a GB moved; `share` is a part of another price.
Unit = Literal["hour", "gb_month", "gb", "share"]


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one unit costs. `as_of` is a date as 2026-07-20, None where the source has none."""

    cloud: str
    region: str
    item: str
    purchase: Purchase
    unit: Unit
    dollars: float
    source: str
    as_of: str | None
    note: str = ""
    interruption_band: str | None = None

    @property
    def name(self) -> str:
        return self.item if self.purchase == "on_demand" else f"{self.item} ({self.purchase})"


@dataclass(frozen=True, kw_only=True)
class OwnPrice:
    """A price that the user knows better; `region` None means everywhere."""

    cloud: str
    item: str
    dollars: float
    purchase: Purchase = "on_demand"
    region: str | None = None
    unit: Unit = "hour"
    as_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Discount:
    """A percentage off the list of a cloud; `item` None means all of it, which never includes spot."""

    cloud: str
    percent: float
    item: str | None = None
