"""Timelines: how long each layer may take to end, and the phases of a cold start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.plan.start_types import ModelColdStart
from infra.plan.types import DeploymentPlan, DrainPlan
from infra.report.cold_start import starts
from infra.report.drain import ladders, own_machines
from infra.report.pictures.svg import CHART_WIDTH, Picture, line, rect, text
from infra.report.words import some

MOST = 6
STEP, BAR = 42, 16
# Not ends of something: how long a connection is kept.
_NOT_AN_END = ("gateway_keep_alive", "load_balancer_idle")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """From `start` to `low` for sure, perhaps to `high`. `note` stands at the right of its name."""

    name: str
    start: float
    low: float
    high: float
    note: str
    wrong: bool = False


def drains(plan: DeploymentPlan) -> Iterator[Picture]:
    """From the moment when something is told to end; sites that are alike once."""
    drawn = 0
    for ladder, names in ladders(plan).items():
        if drawn == MOST:
            return
        drawn += 1
        bars = [
            Bar(
                name=row.layer.replace("_", " "),
                start=0,
                low=row.seconds,
                high=row.seconds,
                note=f"{row.seconds} s" if row.fits else f"needs {row.seconds} s, gets {row.allowed_seconds} s",
                wrong=not row.fits,
            )
            for row in ladder.rows
            if row.layer not in _NOT_AN_END
        ]
        yield _picture(f"Drain on {some(names, 3)}", bars, ladder.longest_generation_seconds)
    laddered = {name for names in ladders(plan).values() for name in names}
    if drawn < MOST and (own := [name for name in plan.sites if name not in laddered]):
        drain = own_machines(plan)
        yield _picture(f"Drain on {some(own, 3)}", _bars(drain), drain.longest_generation_seconds)


def cold_starts(plan: DeploymentPlan) -> Iterator[Picture]:
    """One phase after the other: solid as long as it takes at best, light until it has ended at worst."""
    for name, start in [*starts(plan).items()][:MOST]:
        title = f"Cold start of {name}: {start.total_seconds_low:.0f} to {start.total_seconds:.0f} s"
        yield _picture(title, [*_phases(start)], None)


def _bars(drain: DrainPlan) -> list[Bar]:
    layers = {
        "engine": drain.engine_shutdown_seconds,
        "gateway": drain.gateway_grace_seconds,
        "process group": drain.process_group_grace_seconds,
    }
    return [Bar(name=n, start=0, low=seconds, high=seconds, note=f"{seconds} s") for n, seconds in layers.items()]


def _phases(start: ModelColdStart) -> Iterator[Bar]:
    """Each begins where those before it end at worst."""
    at = 0.0
    for phase in start.phases:
        yield Bar(
            name=phase.name.replace("_", " "),
            start=at,
            low=at + phase.seconds_low,
            high=at + phase.seconds,
            note=f"{phase.seconds_low:.0f} to {phase.seconds:.0f} s",
        )
        at += phase.seconds


def _picture(title: str, bars: Sequence[Bar], longest: float | None) -> Picture:
    most = max(bar.high for bar in bars) or 1
    body: list[str] = []
    top = 0.0 if longest is None else 18.0
    scale = CHART_WIDTH / most
    bottom = top + len(bars) * STEP
    for index, bar in enumerate(bars):
        y = top + index * STEP
        body.append(text(0, y + 14, bar.name, "", width=CHART_WIDTH - 16 - 7 * len(bar.note)))
        body.append(text(CHART_WIDTH, y + 14, bar.note, "strong small" if bar.wrong else "small", anchor="end"))
        style = "wrong" if bar.wrong else "c1"
        body.append(rect(0, y + 20, CHART_WIDTH, BAR, "track", radius=3))
        body.append(
            rect(bar.start * scale, y + 20, (bar.high - bar.start) * scale, BAR, f"fill light {style}", radius=3)
        )
        body.append(rect(bar.start * scale, y + 20, (bar.low - bar.start) * scale, BAR, f"fill {style}", radius=3))
    if longest is not None:
        x = min(longest, most) * scale
        body += [line(x, top + i * STEP + 19, x, top + i * STEP + 23 + BAR, "mark") for i in range(len(bars))]
        near = x > CHART_WIDTH / 2
        body.append(text(x - 4 if near else x + 4, 11, f"longest answer {longest:g} s", "quiet small",
                         anchor="end" if near else "start"))  # fmt: skip
    return Picture(
        title=title,
        description=". ".join(f"{bar.name}: {bar.note}" for bar in bars) + ".",
        width=CHART_WIDTH,
        height=bottom,
        body="".join(body),
    )
