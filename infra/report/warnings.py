"""What a reader must be told: weakenings by name, and what is not known of prices."""

from __future__ import annotations

from infra.plan.types import DeploymentPlan
from infra.report.section import Section


def warnings(plan: DeploymentPlan) -> Section | None:
    """The last section: a terminal shows it last."""
    return Section(name="warnings", title="Warnings", lines=plan.warnings, warnings=True) if plan.warnings else None
