"""The plan's starts as text: how long each phase takes, what is chosen to shorten them and why, what else there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from infra.plan.start_types import ColdStartCure, ModelColdStart
from infra.plan.types import ModelPlan

Table = Callable[[tuple[str, ...], list[tuple[str, ...]]], Iterator[str]]
NOT_MEASURED = "not measured"


def cold_start_lines(models: Mapping[str, ModelPlan], table: Table) -> Iterator[str]:
    """A section of the plan; nothing where nothing is known of any start."""
    known = {name: model.cold_start for name, model in models.items() if model.cold_start}
    if not known:
        return
    yield "COLD START, in seconds at best and at worst, estimated: from when a replica is needed to its first answer"
    phases = [phase.name.replace("_", " ") for phase in next(iter(known.values())).phases]
    yield from table(("model", "slowest at", *phases, "in all", "may take"), [_row(*item) for item in known.items()])
    for name, start in known.items():
        yield from _measures(name, start)
    yield from dict.fromkeys(
        f"  model {name}, {phase.name.replace('_', ' ')}: {phase.source}"
        for name, start in known.items()
        for phase in start.phases
        if NOT_MEASURED in phase.source
    )
    if unknown := [name for name in models if name not in known]:
        yield f"  not known, since nobody knows how large its weights are: {', '.join(unknown)}"
    yield ""


def _row(name: str, start: ModelColdStart) -> tuple[str, ...]:
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
    yield f"  model {name}: to shorten it, {said}: {start.reason}"
    if others := [_offer(cure) for cure in start.cures if not cure.chosen]:
        yield f"  model {name}: what else would, at worst by: {'; '.join(others)}"


def _offer(cure: ColdStartCure) -> str:
    price = "no price" if cure.dollars_per_month is None else f"${cure.dollars_per_month:,.2f} a month"
    return f"{_words(cure.name)} {cure.saves_seconds:.0f} s, {price}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _span(least: float, most: float) -> str:
    low, high = f"{least:.0f}", f"{most:.0f}"
    return low if low == high else f"{low} to {high}"
