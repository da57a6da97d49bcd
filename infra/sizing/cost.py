"""What machines cost per hour, per month and per million output tokens; and how old those prices are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from infra.catalog.instances import Instance
from infra.price.book import OLD_AFTER_DAYS
from infra.sizing.types import Cost

HOURS_PER_MONTH = 730
ON_DEMAND, SPOT = "on_demand", "spot"


def price_of(instance: Instance, purchase: str) -> tuple[float | None, str, str | None]:
    """Dollars per hour of one machine, where that is from, and of which date."""
    if purchase == SPOT:
        return instance.spot_price_per_hour, instance.spot_source, instance.spot_as_of
    return instance.price_per_hour, instance.price_source, instance.price_as_of


def cost(
    instance: Instance,
    purchase: str,
    instances: int,
    most_instances: int,
    tokens_per_second: float,
    utilisation: float,
) -> Cost:
    """`tokens_per_second` is what all `instances` put out when saturated at the objective."""
    price, source, as_of = price_of(instance, purchase)
    per_hour = None if price is None else price * instances
    million = per_hour / (tokens_per_second * 3600) * 1e6 if per_hour is not None and tokens_per_second > 0 else None
    return Cost(
        per_hour=per_hour,
        per_month=None if per_hour is None else per_hour * HOURS_PER_MONTH,
        per_month_most=None if price is None else price * most_instances * HOURS_PER_MONTH,
        per_million_output_tokens=million,
        per_million_output_tokens_expected=None if million is None else million / utilisation,
        price_source=source or "no price in the catalogue",
        price_as_of=as_of,
    )


def price_warnings(instance: Instance, purchase: str, today: date | None) -> Iterator[str]:
    """What a reader of the price should know. The date is given: sizing has no clock."""
    price, _, as_of = price_of(instance, purchase)
    if price is None:
        return
    if as_of is None:
        yield "the price has no date"
    elif today is not None and (age := (today - date.fromisoformat(as_of)).days) > OLD_AFTER_DAYS:
        yield f"the price is {age} days old"
    if purchase == SPOT:
        band = instance.spot_interruption_band or "an unknown share"
        yield f"the spot price is an estimate; {band} of these machines are interrupted in a month"
