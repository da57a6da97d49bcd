"""What is tried on the models that serve, and what must hold."""

from __future__ import annotations

from infra.plan.types import DeploymentPlan
from infra.report.section import Section, Table


def trials(plan: DeploymentPlan) -> Section | None:
    """One row each."""
    if not plan.trials:
        return None
    rows = [
        (trial.model, trial.name, trial.client, "; ".join(trial.holds), trial.schedule or "asked for")
        for trial in plan.trials.values()
    ]
    return Section(
        name="trials",
        title="Trials",
        note="run by `make trial`, or by the cluster at its hour (UTC)",
        tables=(Table(header=("model", "trial", "asks as", "must hold", "when"), rows=rows),),
        lines=tuple(
            f"{name} replays {trial.about['recorded']}"
            for name, trial in plan.trials.items()
            if "recorded" in trial.about
        ),
    )
