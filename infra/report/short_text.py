"""What `pulumi preview` and `pulumi up` show of the plan: a screen of it, without what they warn of by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.plan.types import DeploymentPlan
from infra.report.headline import figures, headline
from infra.report.section import Depth, Section
from infra.report.sections import sections
from infra.report.text import section_lines
from infra.report.words import count

MOST_ROWS = 12


def to_short_text(plan: DeploymentPlan) -> str:
    """The figures that a reader looks for first, what is served where, and where the rest is."""
    return "\n".join(_lines(plan))


def _lines(plan: DeploymentPlan) -> Iterator[str]:
    yield f"plan of {plan.stack}: {headline(plan)}"
    yield " · ".join(f"{figure.label}: {figure.value}" for figure in figures(plan))
    for section in sections(plan):
        if section.depth == Depth.BRIEF and not section.warnings:
            yield from _first_lines(section)
    yield ""
    yield f"All of it: make plan STACK={plan.stack}"


def _first_lines(section: Section) -> Iterator[str]:
    tables = tuple(replace(table, rows=table.first_rows(MOST_ROWS)) for table in section.tables)
    yield from section_lines(replace(section, tables=tables, lines=section.lines[:MOST_ROWS]))
    left = sum(len(table.rows) for table in section.tables) - sum(len(table.rows) for table in tables)
    if left:
        yield f"  and {count(left, 'more row')}"
