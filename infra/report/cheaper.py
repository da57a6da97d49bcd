"""What would do the same for less: other machines or other ways to buy them, what to write, and what is given up."""

from __future__ import annotations

from infra.plan.types import Alternative, DeploymentPlan
from infra.report.section import Row, Section, Table
from infra.report.words import span


def cheaper(plan: DeploymentPlan) -> Section | None:
    """One row for each way; None where nothing is worth a thought."""
    rows = [_row(name, one) for name, model in plan.models.items() for one in model.alternatives]
    if not rows:
        return None
    header = ("model", "to write", "machines", "instead of", "$/month", "$/month less", "what is given up")
    return Section(
        name="cheaper",
        title="Cheaper alternatives",
        note="each does no less at the objective; machines at the fewest replicas",
        tables=(Table(header=header, rows=rows),),
    )


def _row(name: str, one: Alternative) -> Row:
    saved = one.saves_dollars_per_month
    return (
        name,
        " and ".join(f"`{change}`" for change in one.changes),
        one.machines,
        one.instead_of,
        span(one.dollars_per_month, one.dollars_per_month),
        f"{span(saved, saved)} (-{one.saves_percent:.0f} %)",
        "; ".join(one.gives_up) or "nothing",
    )
