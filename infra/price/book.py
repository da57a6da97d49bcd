"""Price book: what one unit of a thing costs somewhere, who says so and when; what nobody says has no price.

GPU machines come from `catalog/instances.csv`, everything else from `catalog/prices.csv`. A user's own prices come
before both, discounts after the list. Other regions are never scaled from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from infra.price.list_prices import list_prices
from infra.price.types import Discount, OwnPrice, Price, Purchase

OLD_AFTER_DAYS = 180
# A reservation of capacity alone is billed as on demand, used or not (EC2 on-demand capacity reservations, Compute
# Engine reservations). Commitments and Capacity Blocks have prices of their own, which only their buyer knows.
RESERVED = "as on demand, used or not; a commitment's or Capacity Block's price has to be given"
HIGH_INTERRUPTION = ">20%"


@dataclass(frozen=True)
class PriceBook:
    """All prices. Its one question is `price`."""

    listed: Mapping[tuple[str, str, str, str], Price]
    own: Sequence[OwnPrice] = ()
    discounts: Sequence[Discount] = ()

    def price(self, cloud: str, region: str, item: str, purchase: Purchase = "on_demand") -> Price | None:
        """The price, or None: "no price". Own prices come first and are not discounted."""
        return self._own(cloud, region, item, purchase) or self._listed(cloud, region, item, purchase)

    def _own(self, cloud: str, region: str, item: str, purchase: Purchase) -> Price | None:
        fitting = [
            own
            for own in self.own
            if (own.cloud, own.item, own.purchase) == (cloud, item, purchase) and own.region in (None, region)
        ]
        own = next((own for own in fitting if own.region), fitting[0] if fitting else None)
        return own and Price(
            cloud=cloud,
            region=region,
            item=item,
            purchase=purchase,
            unit=own.unit,
            dollars=own.dollars,
            source="the configuration",
            as_of=own.as_of,
        )

    def _listed(self, cloud: str, region: str, item: str, purchase: Purchase) -> Price | None:
        found = self.listed.get((cloud, region, item, purchase)) or self.listed.get((cloud, "*", item, purchase))
        if found is None:
            reserved = self.price(cloud, region, item) if purchase == "reservation" else None
            return reserved and replace(reserved, purchase=purchase, note=RESERVED)
        percent = max(
            (
                discount.percent
                for discount in self.discounts
                if discount.cloud == cloud and (discount.item == item or (discount.item is None and purchase != "spot"))
            ),
            default=0.0,
        )
        if not percent:
            return found
        note = "; ".join(filter(None, (found.note, f"{percent:g} % off {found.dollars:g}")))
        return replace(found, dollars=found.dollars * (1 - percent / 100), note=note)


def price_book(own: Sequence[OwnPrice] = (), discounts: Sequence[Discount] = ()) -> PriceBook:
    """The prices that come with the project, under the user's own."""
    return PriceBook(list_prices(), own, discounts)


def age_in_days(as_of: str | None, today: date) -> int | None:
    """How old a price of that date is; None where it has none."""
    return None if as_of is None else (today - date.fromisoformat(as_of)).days


def price_warnings(prices: Iterable[Price], today: date, *, old_after_days: int = OLD_AFTER_DAYS) -> Iterator[str]:
    """Which of these prices are old or undated, one sentence for each source, and which machines may be taken away."""
    by_source: dict[tuple[str, str | None], set[str]] = {}
    for price in prices:
        by_source.setdefault((price.source, price.as_of), set()).add(price.name)
    for (source, as_of), names in sorted(by_source.items(), key=lambda group: (group[0][0], group[0][1] or "")):
        age = age_in_days(as_of, today)
        if age is None or age > old_after_days:
            since = "undated" if age is None else f"{age} days old ({as_of})"
            yield f"prices are {since}: {', '.join(sorted(names))}; from {source}"
    yield from interruption_warnings(prices)


def interruption_warnings(prices: Iterable[Price]) -> Iterator[str]:
    """Which machines may be taken away."""
    for name in sorted({price.name for price in prices if price.interruption_band == HIGH_INTERRUPTION}):
        yield f"{name}: more than 20 % of these machines were taken away in a month"
