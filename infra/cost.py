"""What it may cost, and prices that the user knows better than any list."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.settings import Settings

Cloud = Literal["aws", "gcp"]


class BudgetSettings(Settings):
    """What all of it may cost."""

    dollars_per_month: float = Field(
        ge=1,
        le=1_000_000_000,
        description="US dollars a month at most, by list prices: above it with the fewest replicas, the plan is "
        "refused; with the most, it warns.",
    )


class OwnPriceSettings(Settings):
    """The price of one thing, which comes before any list's."""

    cloud: Cloud = Field(description="Whose price it is.")
    item: str = Field(
        min_length=1,
        max_length=100,
        description="What it is the price of, as the plan calls it: a machine such as `g6e.xlarge`, or `nat_gateway`.",
    )
    dollars: float = Field(ge=0, le=1_000_000, description="US dollars for one unit.")
    unit: Literal["hour", "gb_month", "gb"] = Field(
        default="hour", description="An hour of one, a GB that is kept for a month, or a GB that is moved."
    )
    purchase: Literal["on_demand", "spot", "reservation", "flex_start"] = Field(
        default="on_demand", description="How it is bought."
    )
    region: str | None = Field(default=None, min_length=1, description="Where it holds; unset, everywhere.")


class DiscountSettings(Settings):
    """A percentage off the list of a cloud."""

    cloud: Cloud = Field(description="Whose list.")
    percent: float = Field(ge=0.1, le=100, description="How much less, in percent.")
    item: str | None = Field(
        default=None, min_length=1, description="Of one item; unset, of all that is not bought as `spot`."
    )


class PricingSettings(Settings):
    """What is really paid, where it is not what lists say."""

    prices: list[OwnPriceSettings] = Field(
        default_factory=list, max_length=1000, description="Prices of your own, such as those of a commitment."
    )
    discounts: list[DiscountSettings] = Field(
        default_factory=list, max_length=100, description="Percentages off the lists."
    )
