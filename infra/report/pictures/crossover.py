"""Crossover: dollars a month over a steady load, paid for by use and always running, and where the two lines cross."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.plan.price_types import Crossover
from infra.plan.types import DeploymentPlan
from infra.report.crossover import said
from infra.report.pictures.chart import Frame
from infra.report.pictures.svg import CHART_WIDTH, Picture, line, path, text
from infra.report.words import dollars

HEIGHT, TOP, BELOW = 190, 40, 44
# Half of the last label.
RIGHT = 14
MOST_PICTURES = 6
USED, ALWAYS = "s1", "s2"


def crossovers(plan: DeploymentPlan) -> Iterator[Picture]:
    """One for each model of a site that is paid for by use."""
    for one in (plan.price.crossovers if plan.price else ())[:MOST_PICTURES]:
        yield _picture(one)


def _picture(one: Crossover) -> Picture:
    loads = [0.0, *(point.requests_per_second for point in one.points)]
    used = [point.used_dollars_per_month for point in one.points]
    always = [point.always_dollars_per_month for point in one.points]
    frame = Frame(
        top=TOP, height=HEIGHT, most_x=loads[-1], most_y=max(*used, *always), wanted_ticks=4, left=58, right=RIGHT
    )
    bottom = TOP + HEIGHT
    body = [*frame.grid("$")]
    for costs, style in ((used, USED), (always, ALWAYS)):
        body.append(path(_steps(frame, loads, costs), f"series {style}"))
    if one.requests_per_second is not None:
        x = frame.x(one.requests_per_second)
        body.append(line(x, TOP - 10, x, bottom, "mark"))
        label = f"{one.name} is cheaper above {one.requests_per_second:g} requests/s"
        body.append(text(0, TOP - 18, label, "strong small", width=CHART_WIDTH))
    else:
        body.append(text(0, TOP - 18, said(one), "strong small", width=CHART_WIDTH))
    for load in loads:
        body.append(text(frame.x(load), bottom + 18, f"{load:.2g}", "quiet small", anchor="middle"))
    middle = (frame.left + CHART_WIDTH - frame.right) / 2
    body.append(text(middle, bottom + 36, "requests a second, round the clock", "quiet small", anchor="middle"))
    costs = "; ".join(
        f"up to {point.requests_per_second:g} requests/s: {one.own_name} "
        f"{dollars(point.used_dollars_per_month, point.used_dollars_per_month)}, {one.name} "
        f"{dollars(point.always_dollars_per_month, point.always_dollars_per_month)} a month"
        for point in one.points
    )
    return Picture(
        title=f"{one.model}: {one.own_name} or {one.name}",
        description=f"{said(one)}. {costs}.",
        width=CHART_WIDTH,
        height=bottom + BELOW,
        body="".join(body),
        legend=((one.own_name, USED), (one.name, ALWAYS)),
    )


def _steps(frame: Frame, loads: Sequence[float], costs: Sequence[float]) -> Iterator[tuple[float, float]]:
    """A replica more at once where one fewer is full."""
    for index, cost in enumerate(costs):
        yield frame.x(loads[index]), frame.y(cost)
        yield frame.x(loads[index + 1]), frame.y(cost)
