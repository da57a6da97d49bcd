"""What it costs: line by line, by the month and by the hour, and for a million tokens."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.price_types import ModelPrice, PriceLine, PricePlan
from infra.plan.types import DeploymentPlan
from infra.report.section import Depth, Section, Table
from infra.report.words import span


def price(plan: DeploymentPlan) -> Section | None:
    """None where all is on own machines."""
    found = plan.price
    if found is None:
        return None
    since = f", the oldest price of {found.as_of}" if found.as_of else ""
    month, hour = found.dollars_per_month, found.dollars_per_hour
    whole = all(line.dollars_per_month for line in found.lines)
    rows = [
        *(
            (line.site, line.what, line.item, span(line.amount.min, line.amount.max), _month(line))
            for line in found.lines
        ),
        ("all" if whole else "all with a price", "", "", "", span(month.min, month.max)),
        ("", "an hour", "", "", span(hour.min, hour.max)),
        ("", "an hour, now", "", "", span(found.dollars_per_hour_now, found.dollars_per_hour_now)),
    ]
    tokens = (line for name, model in plan.models.items() if model.price for line in _tokens(name, model.price))
    return Section(
        name="price",
        title="Price",
        note=f"US dollars{since}; without the traffic of answers",
        tables=(Table(header=("site", "what", "item", "amount", "$/month"), rows=rows), *_changes(found)),
        lines=tuple(tokens),
        depth=Depth.LONG,
    )


def _tokens(name: str, price: ModelPrice) -> Iterator[str]:
    dollars, prompts = price.dollars_per_million_output_tokens, price.dollars_per_million_input_tokens
    yield f"model {name}: ${dollars:.2f} in machines for a million tokens of answers, at full load"
    yield f"model {name}: of it, ${prompts:.3f} for each million tokens of prompts"
    if price.stated_load is not None:
        yield (
            f"model {name}: ${price.dollars_per_million_output_tokens_at_stated_load:.2f} at the load of its "
            f"objective, {price.stated_load:.0%} of what then runs"
        )


def _changes(price: PricePlan) -> Iterator[Table]:
    """What a change runs beside all that is above."""
    if price.rollouts:
        yield Table(
            title="One change: a replica more until all have started again, in no sum above",
            header=("site", "model", "GPUs more", "$/hour", "minutes", "$ for a change"),
            rows=[
                (
                    change.site,
                    change.model,
                    str(change.gpus) if change.gpus else "none",
                    "no price" if change.dollars_per_hour is None else f"{change.dollars_per_hour:,.2f}",
                    "not known"
                    if change.minutes is None
                    else span(round(change.minutes.min), round(change.minutes.max)),
                    "not known" if change.dollars is None else span(change.dollars.min, change.dollars.max),
                )
                for change in price.rollouts
            ],
        )


def _month(line: PriceLine) -> str:
    month = line.dollars_per_month
    return "no price" if month is None else span(month.min, month.max)
