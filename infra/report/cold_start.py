"""How long from "a replica is needed" to "it answers": phase by phase, by model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.plan.types import DeploymentPlan, ModelPlan
from infra.report.section import Depth, Section, Table


@dataclass(frozen=True, kw_only=True)
class ShownPhase:
    """One phase, between its fast and its slow end."""

    name: str
    seconds_low: float
    seconds_high: float
    why: str


def cold_start(plan: DeploymentPlan) -> Section | None:
    """A table for each model whose start is known."""
    tables: list[Table] = []
    for name, model in plan.models.items():
        phases = phases_of(model)
        if phases:
            rows = [(p.name, _seconds(p.seconds_low), _seconds(p.seconds_high), p.why) for p in phases]
            low, high = total_of(phases)
            rows.append(("all", _seconds(low), _seconds(high), ""))
            tables.append(Table(title=f"Model {name}", header=("phase", "at best", "at worst", "why"), rows=rows))
    if not tables:
        return None
    return Section(
        name="cold-start",
        title="Cold start",
        note="in seconds, estimated: from a replica that is needed to one that answers",
        tables=tuple(tables),
        depth=Depth.LONG,
    )


def phases_of(model: ModelPlan) -> tuple[ShownPhase, ...]:
    """The phases of a model's start as it is planned; empty where nothing is known of it."""
    return tuple(_phases(getattr(model, "cold_start", None)))


def total_of(phases: tuple[ShownPhase, ...]) -> tuple[float, float]:
    """From the fast to the slow end of the whole start."""
    return sum(phase.seconds_low for phase in phases), sum(phase.seconds_high for phase in phases)


def _phases(start: Any) -> Iterator[ShownPhase]:
    for phase in getattr(start, "phases", ()):
        yield ShownPhase(
            name=str(phase.name).replace("_", " "),
            seconds_low=phase.seconds_low,
            seconds_high=phase.seconds_high,
            why=phase.why,
        )


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 or not seconds else f"{seconds:.1f}"
