"""What would do the same for less: other machines or other ways to buy them, what to write, and what is given up."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.types import Alternative, DeploymentPlan
from infra.report.section import Row, Section, Table
from infra.report.words import span


def cheaper(plan: DeploymentPlan) -> Section | None:
    """One row for each way; None where nothing is worth a thought."""
    found = [(name, one) for name, model in plan.models.items() for one in model.alternatives]
    if not found:
        return None
    header = ("model", "machines", "instead of", "$/month", "$/month less")
    return Section(
        name="cheaper",
        title="Cheaper alternatives",
        note="each does no less at the objective; machines at the fewest replicas",
        tables=(Table(header=header, rows=[_row(name, one) for name, one in found]),),
        lines=tuple(line for name, one in found for line in _lines(name, one)),
    )


def _row(name: str, one: Alternative) -> Row:
    saved = one.saves_dollars_per_month
    return (
        name,
        one.machines,
        one.instead_of,
        span(one.dollars_per_month, one.dollars_per_month),
        f"{span(saved, saved)} (-{one.saves_percent:.0f} %)",
    )


def _lines(name: str, one: Alternative) -> Iterator[str]:
    yield f"model {name}, {one.machines}: write {' and '.join(f'`{change}`' for change in one.changes)}"
    if one.gives_up:
        yield f"model {name}, {one.machines}: what is given up: {'; '.join(one.gives_up)}"
