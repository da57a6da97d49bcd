"""The few figures that a reader looks for first."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from infra.plan.rollout_price import spare_gpus
from infra.plan.types import DeploymentPlan, Replicas
from infra.report.words import count, dollars, replica_range, some


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`value` alone must say it; `label` says of what, `detail` adds to it."""

    label: str
    value: str
    detail: str = ""


def headline(plan: DeploymentPlan) -> str:
    """The first line in every format, without the stack's name."""
    whole = f"{plan.topology}, {count(plan.models, 'model')} on {count(plan.sites, 'site')}"
    if len(plan.deployed_sites) == len(plan.sites):
        return whole
    return f"{whole}, of which this stack deploys {some(plan.deployed_sites)} (`slipway:site`)"


def figures(plan: DeploymentPlan) -> list[Figure]:
    """Price, replicas, GPUs, speed, warnings."""
    found = [_price(plan)]
    replicas = [model.replicas for model in plan.models.values()]
    total = Replicas(min=sum(r.min for r in replicas), max=sum(r.max for r in replicas))
    found.append(
        Figure(
            label="replica" if total == Replicas(min=1, max=1) else "replicas",
            value=replica_range(total),
            detail=f"of {count(plan.models, 'model')}",
        )
    )
    found.append(Figure(label="GPUs", value=gpus(plan) or "none", detail=_spare(plan)))
    speeds = {name: model.performance for name, model in plan.models.items() if model.performance}
    if speeds:
        name, speed = next(iter(speeds.items()))
        found.append(
            Figure(
                label="first token",
                value=f"{speed.time_to_first_token_ms_low} to {speed.time_to_first_token_ms_high} ms",
                detail=f"{name}: then {speed.time_per_output_token_ms:.1f} ms a token, estimated",
            )
        )
    weak = len(plan.weakenings)
    found.append(
        Figure(
            label="warning" if len(plan.warnings) == 1 else "warnings",
            value=str(len(plan.warnings)) if plan.warnings else "none",
            detail=f"{weak} of them on what is weaker than it could be" if weak else "",
        )
    )
    return found


def gpus(plan: DeploymentPlan) -> str:
    """How many of each type, at the fewest and at the most replicas."""
    by_type: defaultdict[str, list[Replicas]] = defaultdict(list)
    for model in plan.models.values():
        if model.accelerator:
            each = model.accelerator.count * model.nodes
            by_type[model.accelerator.type].append(
                Replicas(min=model.replicas.min * each, max=model.replicas.max * each)
            )
    return some(
        f"{replica_range(Replicas(min=sum(r.min for r in found), max=sum(r.max for r in found)))} × {name}"
        for name, found in by_type.items()
    )


def _spare(plan: DeploymentPlan) -> str:
    """What cluster or quota must have beside that."""
    if not gpus(plan):
        return "engines on processors"
    more = sum(
        spare_gpus(name, model, plan.sites[site]) or 0
        for name, model in plan.models.items()
        for site in model.sites
        if site in plan.sites
    )
    return f"and {more:,} more while a change runs" if more else ""


def _price(plan: DeploymentPlan) -> Figure:
    if plan.price is None:
        return Figure(label="a month", value="no cloud bill", detail="all on own machines")
    month = plan.price.dollars_per_month
    missing = sum(line.dollars_per_month is None for line in plan.price.lines)
    detail = (
        f"without {count(missing, 'line')} that nobody says a price of"
        if missing
        else "at the fewest and the most replicas"
    )
    return Figure(label="a month", value=dollars(month.min, month.max), detail=detail)
