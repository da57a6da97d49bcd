"""How long each layer may take to end: by model, and from inside to outside by site."""

from __future__ import annotations

from infra.plan.drain import drain_plan
from infra.plan.drain_ladder import DrainLadder, DrainRow
from infra.plan.types import DeploymentPlan, DrainPlan
from infra.report.section import Depth, Row, Section, Table
from infra.report.words import some


def drain(plan: DeploymentPlan) -> Section:
    """What each model needs, in a process group that it shares with others."""
    together = own_machines(plan)
    rows = [
        (
            name,
            str(model.drain.longest_wait_seconds),
            str(model.drain.longest_generation_seconds),
            str(model.drain.engine_shutdown_seconds),
            str(max(model.drain.gateway_grace_seconds, together.gateway_grace_seconds)),
            str(together.process_group_grace_seconds),
        )
        for name, model in (*plan.models.items(), *plan.remote_models.items())
    ]
    header = ("model", "longest wait", "longest generation", "engine", "gateway", "process group")
    kept = plan.gateway_keep_alive_seconds
    return Section(
        name="drain",
        title="Drain",
        note="in seconds: how long each layer may take to end, so that no answer is cut",
        tables=(Table(header=header, rows=rows),),
        lines=(f"gateway keep-alive {kept} s: what stands in front must close idle ones earlier",),
        depth=Depth.LONG,
    )


def drain_ladders(plan: DeploymentPlan) -> Section | None:
    """Every layer of a site, with what its place allows; sites that are alike once."""
    header = ("layer", "seconds", "allowed here", "why", "who says so")
    tables = tuple(
        Table(title=f"On {some(names)}", header=header, rows=[_row(row) for row in ladder.rows])
        for ladder, names in ladders(plan).items()
    )
    if not tables:
        return None
    return Section(
        name="drain-layers",
        title="Drain, layer by layer",
        note="each outlasts the one inside it",
        tables=tables,
        depth=Depth.LONGEST,
    )


def ladders(plan: DeploymentPlan) -> dict[DrainLadder, list[str]]:
    """The ladders that there are, each with its sites."""
    found: dict[DrainLadder, list[str]] = {}
    for name, site in plan.sites.items():
        ladder = getattr(site.details, "drain", None)
        if isinstance(ladder, DrainLadder):
            found.setdefault(ladder, []).append(name)
    return found


def own_machines(plan: DeploymentPlan) -> DrainPlan:
    """What machines without a ladder have: each ends only when the longest answer of any model may have ended."""
    drains = [model.drain for model in (*plan.models.values(), *plan.remote_models.values())]
    return drain_plan(
        max(one.longest_generation_seconds for one in drains), max(one.longest_wait_seconds for one in drains)
    )


def _row(row: DrainRow) -> Row:
    allowed = "as long as wanted" if row.allowed_seconds is None else str(row.allowed_seconds)
    return (
        row.layer.replace("_", " "),
        str(row.seconds),
        allowed if row.fits else f"{allowed}: NOT GUARANTEED",
        row.why,
        ", ".join(said for said in (row.allowed_by, row.source) if said),
    )
