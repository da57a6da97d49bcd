"""How long the first deployment takes: each step, what it waits for, and who says so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from infra.plan.first_up_types import UpStep, minutes_in_all
from infra.plan.types import DeploymentPlan, SitePlan
from infra.report.section import Depth, Row, Section, Table

HEADER = ("site", "step", "minutes", "after", "of")


def first_up(plan: DeploymentPlan) -> Section | None:
    """A row for each site and step; sites are deployed on their own, beside one another."""
    found = {name: steps for name, site in plan.sites.items() if (steps := steps_of(site))}
    if not found:
        return None
    told = dict.fromkeys(f"{step.name}: {step.source}" for steps in found.values() for step in steps)
    return Section(
        name="first-up",
        title="First deployment",
        note="in minutes at best and at worst, expected: what is not after one another goes on at once",
        tables=(Table(header=HEADER, rows=[row for name, steps in found.items() for row in _rows(name, steps)]),),
        lines=tuple(told),
        depth=Depth.LONG,
    )


def steps_of(site: SitePlan) -> tuple[UpStep, ...]:
    """None where a platform does not say how long it takes."""
    found: Iterable[object] = getattr(site.details, "first_up", ())
    return tuple(one for one in found if isinstance(one, UpStep))


def _rows(site: str, steps: Sequence[UpStep]) -> list[Row]:
    there = {step.name for step in steps}
    rows: list[Row] = [
        (
            site,
            step.name,
            _span(step.minutes_low, step.minutes_high),
            ", ".join(name for name in step.after if name in there),
            step.of,
        )
        for step in steps
    ]
    return [*rows, (site, "in all", _span(*minutes_in_all(steps)), "", "")]


def _span(least: float, most: float) -> str:
    """Whole minutes around it: nobody knows them better."""
    low, high = math.floor(least), math.ceil(most)
    return f"{low}" if low == high else f"{low} to {high}"
