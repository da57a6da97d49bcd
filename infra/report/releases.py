"""Which models are being released, by which rules, and who decides how far."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log
from typing import Any

from infra.plan.types import DeploymentPlan
from infra.releases.base import released
from infra.report.section import Section, Table

# As the judge has it (serving/release/evidence.py): the chance to let on, at a step, what is at a limit.
BETA = 0.05
LATE_PERCENT = 5.0


def releases(plan: DeploymentPlan) -> Section | None:
    """One row for each site and model."""
    rows = [
        (site, model, rules["candidate"], _steps(rules), f"{rules['hold_seconds'] / 60:g} min", *_limits(plan, rules))
        for site, planned in plan.sites.items()
        if site in plan.deployed_sites
        for model, rules in released(planned.details.gateway_config).items()
    ]
    if not rows:
        return None
    return Section(
        name="releases",
        title="Releases",
        note="the share is the judge's and yours (`python -m infra release`): no deployment and no refresh changes it",
        tables=(
            Table(
                header=("site", "model", "candidate", "gets", "each at least", "rolls back at", "needs at each step"),
                rows=rows,
            ),
        ),
    )


def _steps(rules: Mapping[str, Any]) -> str:
    steps = ", ".join(f"{step:g}" for step in rules["steps"])
    return f"{steps} % {'of requests' if rules['sends'] == 'share' else 'as copies'}"


def _limits(plan: DeploymentPlan, rules: Mapping[str, Any]) -> tuple[str, str]:
    """The limits, and how many answers without one that is bad decide."""
    said = [f"{rules['error_percent']:g} % errors"]
    needs = [f"{enough(rules['error_percent'])} answers"]
    if first := rules.get("first_token_seconds"):
        said.append(f"p95 of the first token over {first:g} s")
        needs.append(f"{enough(LATE_PERCENT)} streams")
    needed = f"{', '.join(needs)}, if all are good"
    if name := rules.get("evaluation"):
        trial = plan.trials[name]
        said.append(f"{name} before each step: less than {'; '.join(trial.holds)}")
        needed += f"; before each, answers of {rules['candidate']} to {trial.client}"
    return "; ".join(said), needed


def enough(limit_percent: float) -> int:
    """Answers, all of them good, after which a sequential test of half the limit against all of it lets on."""
    bad = limit_percent / 100
    return ceil(log(1 / BETA) / log((1 - bad / 2) / (1 - bad)))
