"""What it costs: line by line, by the month and by the hour, and for a million tokens."""

from __future__ import annotations

from infra.plan.types import DeploymentPlan, PriceLine
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
    ]
    tokens = tuple(
        f"model {name}: ${model.price.dollars_per_million_output_tokens:.2f} in machines for a million tokens of "
        "answers, at full load"
        for name, model in plan.models.items()
        if model.price
    )
    return Section(
        name="price",
        title="Price",
        note=f"US dollars{since}; without the traffic of answers",
        tables=(Table(header=("site", "what", "item", "amount", "$/month"), rows=rows),),
        lines=tokens,
        depth=Depth.LONG,
    )


def _month(line: PriceLine) -> str:
    month = line.dollars_per_month
    return "no price" if month is None else span(month.min, month.max)
