"""What load tests have measured of models, and what the plan makes of it."""

from __future__ import annotations

from infra.plan.figures import ModelCalibration
from infra.plan.types import DeploymentPlan, ModelPlan
from infra.report.section import Row, Section, Table


def measured(plan: DeploymentPlan) -> Section | None:
    """One row for each model that was calibrated."""
    rows = [_row(name, model, known) for name, model in plan.models.items() if (known := model.calibration)]
    if not rows:
        return None
    header = ("model", "day", "requests", "a request", "at once", "ms/token", "first token, ms", "on", "the plan")
    return Section(
        name="measured",
        title="Measured",
        note="by load tests, of one replica; `make calibrate` wrote it into the stack file",
        tables=(Table(header=header, rows=rows),),
    )


def _row(name: str, model: ModelPlan, known: ModelCalibration) -> Row:
    unused = "does not use it" if model.performance else "has no estimate of its own"
    return (
        name,
        known.measured_at[:10],
        str(known.measured_requests),
        f"{known.input_tokens} in, {known.output_tokens} out",
        f"{known.concurrent_requests:.1f}",
        f"{known.time_per_output_token_ms:.1f}",
        f"{known.time_to_first_token_ms_low:.0f} to {known.time_to_first_token_ms_high:.0f}",
        f"{known.ran_on}, {' '.join(part for part in (known.engine, known.engine_version) if part)}",
        "follows it" if known.used else unused,
    )
