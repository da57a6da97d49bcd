"""The plan for a terminal: what will exist, what was chosen, how long each layer may take to end."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.types import DeploymentPlan
from infra.report.headline import headline
from infra.report.section import Depth, Section, Table
from infra.report.sections import sections


def to_text(plan: DeploymentPlan) -> str:
    """Short where there is little, and in the order in which a reader asks; warnings last."""
    return "\n".join(_lines(plan))


def _lines(plan: DeploymentPlan) -> Iterator[str]:
    yield f"stack {plan.stack}: {headline(plan)}"
    for section in sections(plan):
        if section.warnings:
            for warning in section.lines:
                yield ""
                yield f"WARNING  {warning}"
        elif section.depth < Depth.LONGEST:
            yield from section_lines(section)


def section_lines(section: Section) -> Iterator[str]:
    """One section, with an empty line before each heading."""
    # Tables with titles of their own need no heading above the first.
    if section.note or not section.tables or not all(table.title for table in section.tables):
        yield ""
        yield section.title.upper() + (f", {section.note}" if section.note else "")
    for table in section.tables:
        if table.title:
            yield ""
            yield table.title
        yield from _table(table)
    for line in section.lines:
        yield f"  {line}"


def _table(table: Table) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    for row in (table.header, *table.rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
