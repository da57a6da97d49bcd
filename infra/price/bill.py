"""Bill: what runs, times what it costs: line by line, by the hour and by the month, and for a million tokens.

A line without a price is shown without one and named as missing; sums are then of what has a price, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from infra.price.book import PriceBook
from infra.price.types import Price, Purchase

HOURS_PER_MONTH = 730
_BY_THE_HOUR = ("hour", "share")


@dataclass(frozen=True, kw_only=True)
class Use:
    """So much of something, at the fewest and at the most replicas: machines that run, GB kept, or GB moved in a month.
    `share_of` names the machine whose on-demand price a fee is a share of; `models` are those that it is only for."""

    what: str
    cloud: str
    region: str
    item: str
    minimum: float
    maximum: float
    purchase: Purchase = "on_demand"
    share_of: str | None = None
    site: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SharedUse(Use):
    """Of whoever runs the sites, who pays it once for all of them."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One use with its price. Dollars are None, never 0, where there is no price."""

    what: str
    item: str
    minimum: float
    maximum: float
    price: Price | None
    dollars_per_month_minimum: float | None
    dollars_per_month_maximum: float | None
    site: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bill:
    """`dollars_per_hour_now` is at the fewest replicas. `unpriced` names the lines that no sum contains."""

    lines: tuple[Line, ...]
    dollars_per_hour_now: float
    dollars_per_month_minimum: float
    dollars_per_month_maximum: float
    unpriced: tuple[str, ...]

    @property
    def prices(self) -> tuple[Price, ...]:
        return tuple(line.price for line in self.lines if line.price)


@dataclass(frozen=True, kw_only=True)
class TokenPrices:
    """Dollars for a million tokens, at full load and at the load that is expected. Input is None where output bears
    everything."""

    expected_load: float
    dollars_per_million_output_tokens_at_full_load: float
    dollars_per_million_output_tokens_at_expected_load: float
    dollars_per_million_input_tokens_at_full_load: float | None
    dollars_per_million_input_tokens_at_expected_load: float | None


def bill(book: PriceBook, uses: Iterable[Use]) -> Bill:
    """Every use with its price, in the order given, and the sums."""
    lines = tuple(_line(use, _price(book, use)) for use in uses if use.maximum > 0)
    minimum = sum(line.dollars_per_month_minimum or 0 for line in lines)
    return Bill(
        lines=lines,
        dollars_per_hour_now=minimum / HOURS_PER_MONTH,
        dollars_per_month_minimum=minimum,
        dollars_per_month_maximum=sum(line.dollars_per_month_maximum or 0 for line in lines),
        unpriced=tuple(dict.fromkeys(f"{line.what}: {line.item}" for line in lines if line.price is None)),
    )


def counted_once(uses: Iterable[Use]) -> Iterator[Use]:
    """Of what is paid once for all sites, what the first of them names."""
    paid: set[tuple[str, str]] = set()
    for use in uses:
        if isinstance(use, SharedUse):
            if (use.cloud, use.item) in paid:
                continue
            paid.add((use.cloud, use.item))
        yield use


def token_prices(
    *,
    dollars_per_hour: float,
    output_tokens_per_second: float,
    expected_load: float,
    input_tokens_per_second: float | None = None,
    prefill_share: float | None = None,
) -> TokenPrices:
    """Dollars for a million tokens of what costs `dollars_per_hour` and makes so many tokens a second at full load.

    As is usual, output bears everything; with `prefill_share`, the part of the time that goes into reading prompts,
    input bears that part, and input and output together cost what runs. `expected_load` is a part of full load above 0.
    """
    share, input_ = 0.0, None
    if prefill_share and input_tokens_per_second:
        share = prefill_share
        input_ = _per_million(dollars_per_hour * share, input_tokens_per_second)
    output = _per_million(dollars_per_hour * (1 - share), output_tokens_per_second)
    return TokenPrices(
        expected_load=expected_load,
        dollars_per_million_output_tokens_at_full_load=output,
        dollars_per_million_output_tokens_at_expected_load=output / expected_load,
        dollars_per_million_input_tokens_at_full_load=input_,
        dollars_per_million_input_tokens_at_expected_load=None if input_ is None else input_ / expected_load,
    )


def bill_warnings(made: Bill) -> Iterator[str]:
    """What is missing from the sums."""
    if made.unpriced:
        yield f"no price, and in no sum: {', '.join(made.unpriced)}"


def _per_million(dollars_per_hour: float, tokens_per_second: float) -> float:
    return dollars_per_hour / (tokens_per_second * 3600) * 1e6


def _price(book: PriceBook, use: Use) -> Price | None:
    price = book.price(use.cloud, use.region, use.item, use.purchase)
    if price is None or price.unit != "share":
        return price
    whole = book.price(use.cloud, use.region, use.share_of) if use.share_of else None
    return whole and replace(price, dollars=price.dollars * whole.dollars, item=f"{use.item} of {use.share_of}")


def _line(use: Use, price: Price | None) -> Line:
    month = None if price is None else price.dollars * (HOURS_PER_MONTH if price.unit in _BY_THE_HOUR else 1)
    return Line(
        what=use.what,
        item=price.name if price else use.item,
        minimum=use.minimum,
        maximum=use.maximum,
        price=price,
        dollars_per_month_minimum=None if month is None else month * use.minimum,
        dollars_per_month_maximum=None if month is None else month * use.maximum,
        site=use.site,
        models=use.models,
    )
