"""From which steady load on something that always runs is cheaper: a sentence, and what both cost by replicas."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.price_types import Crossover
from infra.plan.types import DeploymentPlan
from infra.report.section import Section, Table
from infra.report.words import count, span


def crossover(plan: DeploymentPlan) -> Section | None:
    """None where nothing is paid for by use."""
    found = plan.price.crossovers if plan.price else ()
    if not found:
        return None
    return Section(
        name="crossover",
        title="Crossover",
        note="a month, round the clock, on the same GPU; without disks and traffic",
        tables=tuple(_table(one) for one in found),
        lines=tuple(line for one in found for line in _lines(one)),
    )


def said(one: Crossover) -> str:
    """In one sentence."""
    if one.replicas is None or one.requests_per_second is None:
        return f"{one.own_name} is cheaper than {one.name} at every load"
    if one.replicas == 1:
        return f"{one.name} is cheaper than {one.own_name} at every load that never ends"
    return (
        f"{one.name} is cheaper than {one.own_name} above {one.requests_per_second:g} requests/s round the clock, "
        f"which is from {count(one.replicas, 'replica')} on"
    )


def _lines(one: Crossover) -> Iterator[str]:
    yield f"model {one.model}: {said(one)}"
    first = one.points[0]
    yield (
        f"model {one.model}: one instance that always runs, so that nobody waits for a start "
        f"(`scaling.min_replicas: 1`): ${first.used_dollars_per_month:,.2f} a month"
    )


def _table(one: Crossover) -> Table:
    return Table(
        title=f"Model {one.model} on {one.site}: {one.own_name} or {one.name}",
        header=("replicas", "up to requests/s", f"{one.own_name}, $", f"{one.name}, $", f"{one.name} from hours a day"),
        rows=[
            (
                str(point.replicas),
                f"{point.requests_per_second:g}",
                span(point.used_dollars_per_month, point.used_dollars_per_month),
                span(point.always_dollars_per_month, point.always_dollars_per_month),
                "never" if point.hours_per_day is None else f"{point.hours_per_day:g}",
            )
            for point in one.points
        ],
    )
