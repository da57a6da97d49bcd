"""How long from "a replica is needed" to "it answers": each phase, what is chosen to shorten them and why."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.start_types import ColdStartCure, ModelColdStart
from infra.plan.types import DeploymentPlan
from infra.report.section import Depth, Row, Section, Table

NOT_MEASURED = "not measured"


def cold_start(plan: DeploymentPlan) -> Section | None:
    """One row for each model whose start is known."""
    known = starts(plan)
    if not known:
        return None
    phases = [_words(phase.name) for phase in next(iter(known.values())).phases]
    lines = [line for name, start in known.items() for line in _measures(name, start)]
    lines += dict.fromkeys(
        f"model {name}, {_words(phase.name)}: {phase.source}"
        for name, start in known.items()
        for phase in start.phases
        if NOT_MEASURED in phase.source
    )
    if unknown := [name for name in plan.models if name not in known]:
        lines.append(f"not known, since nobody knows how large its weights are: {', '.join(unknown)}")
    header = ("model", "slowest at", *phases, "in all", "may take")
    return Section(
        name="cold-start",
        title="Cold start",
        note="in seconds at best and at worst, estimated: from when a replica is needed to its first answer",
        tables=(Table(header=header, rows=[_row(name, start) for name, start in known.items()]),),
        lines=tuple(lines),
        depth=Depth.LONG,
    )


def cold_start_phases(plan: DeploymentPlan) -> Section | None:
    """What each phase is computed from, and who says so."""
    header = ("phase", "seconds", "of", "who says so")
    tables = tuple(
        Table(
            title=f"Model {name}",
            header=header,
            rows=[(_words(p.name), _span(p.seconds_low, p.seconds), p.why, p.source) for p in start.phases],
        )
        for name, start in starts(plan).items()
    )
    if not tables:
        return None
    return Section(name="cold-start-phases", title="Cold start, phase by phase", tables=tables, depth=Depth.LONGEST)


def starts(plan: DeploymentPlan) -> dict[str, ModelColdStart]:
    """The starts that are known, by model."""
    return {name: model.cold_start for name, model in plan.models.items() if model.cold_start}


def _row(name: str, start: ModelColdStart) -> Row:
    return (
        name,
        start.site,
        *(_span(phase.seconds_low, phase.seconds) for phase in start.phases),
        _span(start.total_seconds_low, start.total_seconds),
        str(start.startup_budget_seconds),
    )


def _measures(name: str, start: ModelColdStart) -> Iterator[str]:
    chosen = [cure for cure in start.cures if cure.chosen]
    said = "; ".join(f"{_words(cure.name)} ({cure.why})" for cure in chosen) or "nothing"
    yield f"model {name}: to shorten it, {said}: {start.reason}"
    if others := [_offer(cure) for cure in start.cures if not cure.chosen]:
        yield f"model {name}: what else would, at worst by: {'; '.join(others)}"


def _offer(cure: ColdStartCure) -> str:
    price = "no price" if cure.dollars_per_month is None else f"${cure.dollars_per_month:,.2f} a month"
    return f"{_words(cure.name)} {cure.saves_seconds:.0f} s, {price}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _span(least: float, most: float) -> str:
    low, high = f"{least:.0f}", f"{most:.0f}"
    return low if low == high else f"{low} to {high}"
