"""Price over replicas: dollars a month from the fewest to the most, by site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.plan.types import DeploymentPlan, Dollars, PricePlan
from infra.report.pictures.chart import Frame
from infra.report.pictures.svg import CHART_WIDTH, Picture, rect, text
from infra.report.words import count, dollars

MOST_COLUMNS, MOST_SITES = 9, 4
HEIGHT = 200
STYLES = ("c1", "c2", "c3", "c4", "c5")


def price(plan: DeploymentPlan) -> Iterator[Picture]:
    """Between the fewest and the most replicas of all models, machines come one by one: a straight line."""
    if plan.price is None or not plan.price.dollars_per_month.max:
        return
    fewest = sum(model.replicas.min for model in plan.models.values())
    most = sum(model.replicas.max for model in plan.models.values())
    by_site = _by_site(plan.price)
    steps = [*range(fewest, most + 1)]
    if len(steps) > MOST_COLUMNS:
        steps = [round(fewest + (most - fewest) * index / (MOST_COLUMNS - 1)) for index in range(MOST_COLUMNS)]
    month = plan.price.dollars_per_month
    frame = Frame(top=34, height=HEIGHT, most_x=len(steps), most_y=month.max, wanted_ticks=4, left=58)
    body = [
        *frame.grid("$"),
        text(CHART_WIDTH, 12, f"{dollars(month.max, month.max)} with {most}", "small", anchor="end"),
    ]
    if most > fewest:
        body.append(text(0, 12, f"{dollars(month.min, month.min)} with {fewest}", "small"))
    for index, replicas in enumerate(steps):
        share = (replicas - fewest) / (most - fewest) if most > fewest else 1.0
        body += _column(frame, index, by_site, share)
        middle = frame.x(index + 0.5)
        body.append(text(middle, frame.top + HEIGHT + 18, str(replicas), "quiet small", anchor="middle"))
    body.append(text((frame.left + CHART_WIDTH) / 2, frame.top + HEIGHT + 38, "replicas, all models together",
                     "quiet small", anchor="middle"))  # fmt: skip
    missing = sum(line.dollars_per_month is None for line in plan.price.lines)
    without = f" {count(missing, 'line')} without a price." if missing else ""
    yield Picture(
        title="Price a month over replicas",
        description=f"{dollars(month.min, month.min)} a month with {count(fewest, 'replica')}, "
        f"{dollars(month.max, month.max)} with {most}. "
        + "; ".join(f"{name}: {dollars(of.min, of.max)}" for name, of in by_site.items())
        + f".{without}",
        width=CHART_WIDTH,
        height=frame.top + HEIGHT + 44,
        body="".join(body),
        legend=tuple(zip(by_site, STYLES, strict=False)),
    )


def _by_site(bill: PricePlan) -> Mapping[str, Dollars]:
    """What each of the first sites costs, and the others together."""
    sums: dict[str, list[Dollars]] = {}
    for line in bill.lines:
        if line.dollars_per_month:
            sums.setdefault(line.site, []).append(line.dollars_per_month)
    names = [*sums]
    groups = {name: [name] for name in names[:MOST_SITES]}
    if len(names) > MOST_SITES:
        groups[f"{len(names) - MOST_SITES} others"] = names[MOST_SITES:]
    return {
        title: Dollars(min=sum(d.min for n in of for d in sums[n]), max=sum(d.max for n in of for d in sums[n]))
        for title, of in groups.items()
    }


def _column(frame: Frame, index: int, by_site: Mapping[str, Dollars], share: float) -> Iterator[str]:
    width = min(56, frame.x(0.68) - frame.x(0))
    x = frame.x(index + 0.5) - width / 2
    low = 0.0
    for (name, month), style in zip(by_site.items(), STYLES, strict=False):
        value = month.min + (month.max - month.min) * share
        top, bottom = frame.y(low + value), frame.y(low)
        yield rect(x, top, width, bottom - top, f"fill {style}", title=f"{name}: {dollars(value, value)} a month")
        low += value
