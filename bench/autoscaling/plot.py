"""The plot of `docs/autoscaling.svg`: GPU-hours against what was late, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

_PANEL, _HEIGHT, _LEFT, _TOP, _BOTTOM = 300, 260, 62, 76, 48
_GAP = 58
# Each policy's class of the style below, by the first word of its name.
_CLASSES = {"slipway": "ours", "static": "fixed", "KEDA": "keda", "HPA": "hpa", "Knative": "knative", "who": "known"}
_LATE_TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 14px; font-weight: 600 } .note, .tick { font-size: 12px; fill: #59636e }
.axis { stroke: #9aa4ae } .grid { stroke: #9aa4ae; stroke-opacity: .25 }
.fixed { fill: #59636e } .line { fill: none; stroke: #59636e; stroke-dasharray: 4 3 }
.ours { fill: #2f6fde } .keda { fill: #d4780a } .hpa { fill: #2da44e } .knative { fill: #bf5af2 }
.known { fill: #cf222e } .known-bar { stroke: #cf222e }
.ours-bar { stroke: #2f6fde } .keda-bar { stroke: #d4780a } .hpa-bar { stroke: #2da44e }
.knative-bar { stroke: #bf5af2 } .fixed-bar { stroke: #59636e }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note, .tick { fill: #9198a1 } .axis, .grid { stroke: #6e7681 }
  .fixed { fill: #9198a1 } .line, .fixed-bar { stroke: #9198a1 } .ours { fill: #6ba1ff } .ours-bar { stroke: #6ba1ff }
}
</style>"""


def plot(result: Mapping[str, Any]) -> str:
    """A panel for each trace: to the left is cheaper, further down is better. Fleets that never change are a line."""
    traces: Mapping[str, Any] = result["traces"]
    width = _LEFT + len(traces) * _PANEL + (len(traces) - 1) * _GAP + 20
    title = "GPU-hours of a day, and how many of its requests were late or refused"
    parts = [f'<text class="title" x="8" y="22">{escape(title)}</text>', *_legend()]
    for place, (name, found) in enumerate(traces.items()):
        parts += _panel(name, found, _LEFT + place * (_PANEL + _GAP))
    days = next(iter(traces.values()))["plan"]["days"]
    notes = (
        "Further left and down is better. Line: fleets of so many replicas all day, whatever comes.",
        f"Policies as they are shipped. Mean of {days} days, with 95 % intervals; {result['date'][:10]}.",
    )
    height = _TOP + _HEIGHT + _BOTTOM + 40
    for place, note in enumerate(reversed(notes)):
        parts.append(f'<text class="note" x="8" y="{height - 8 - 18 * place}">{escape(note)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">{_STYLE}{"".join(parts)}</svg>\n'
    )


def _legend() -> list[str]:
    words = {
        "ours": "slipway",
        "fixed": "static, planned",
        "keda": "KEDA, waiting",
        "hpa": "HPA, GPU use",
        "knative": "Knative",
        "known": "knows the day",
    }
    parts: list[str] = []
    at = 14
    for kind, word in words.items():
        parts.append(f'<circle class="{kind}" cx="{at}" cy="40" r="5"/><text x="{at + 10}" y="44">{word}</text>')
        at += 36 + 7 * len(word)
    return parts


def _panel(name: str, found: Mapping[str, Any], left: int) -> list[str]:
    fixed = [(cells["gpu_hours"]["mean"], _late(cells), label) for label, cells in found["static"].items()]
    rows = [(label, cells) for label, cells in {**found["policies"], **found["foreseen"]}.items()]
    most_hours = 1.08 * max(hours for hours, *_ in [*fixed, *((c["gpu_hours"]["mean"], 0) for _, c in rows)])
    lates = [late for _, late, _ in fixed] + [_late(cells) for _, cells in rows]
    low = max((tick for tick in _LATE_TICKS if tick <= min(lates)), default=_LATE_TICKS[0])
    high = min(tick for tick in _LATE_TICKS if tick >= max(lates))

    def across(hours: float) -> float:
        return round(left + _PANEL * hours / most_hours, 1)

    def down(late: float) -> float:
        place = math.log(min(max(late, low), high) / low) / math.log(high / low)
        return round(_TOP + _HEIGHT * (1 - place), 1)

    bottom = _TOP + _HEIGHT
    asked = found["plan"]
    then_ms = 1000 * asked["per_token_seconds"]
    heading = f"{name}: first token in {asked['first_token_seconds']:g} s, then {then_ms:g} ms each"
    parts = [f'<text x="{left}" y="{_TOP - 10}">{escape(heading)}</text>']
    for tick in (tick for tick in _LATE_TICKS if low <= tick <= high):
        y = down(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{left + _PANEL}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y + 4}" text-anchor="end">{tick:g} %</text>')
    step = next(step for step in (20, 50, 100, 200, 500) if most_hours / step <= 6)
    for hours in range(0, math.ceil(most_hours), step):
        x = across(hours)
        parts.append(f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="middle">{hours}</text>')
    parts.append(f'<line class="axis" x1="{left}" x2="{left + _PANEL}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<line class="axis" x1="{left}" x2="{left}" y1="{_TOP}" y2="{bottom}"/>')
    parts.append(
        f'<text class="note" x="{left + _PANEL / 2}" y="{bottom + 36}" text-anchor="middle">GPU-hours a day</text>'
    )
    points = " ".join(f"{across(hours)},{down(late)}" for hours, late, _ in fixed)
    parts.append(f'<polyline class="line" points="{points}"/>')
    for hours, late, label in fixed:
        count = label.rpartition(" ")[2]
        parts.append(f'<circle class="fixed" cx="{across(hours)}" cy="{down(late)}" r="2.5"/>')
        parts.append(f'<text class="tick" x="{across(hours) + 5}" y="{down(late) - 5}">{count}</text>')
    for label, cells in rows:
        parts += _dot(label, cells, across, down)
    return parts


def _dot(label: str, cells: Mapping[str, Any], across: Any, down: Any) -> list[str]:
    kind = _CLASSES[label.partition(",")[0].partition(" ")[0]]
    hours, late = cells["gpu_hours"], _late(cells)
    x, y = across(hours["mean"]), down(late)
    aside = hours["margin"] or 0.0
    above = cells["in_time_percent"]["margin"] or 0.0
    title = f"{label}: {hours['mean']:g} GPU-hours, {late:.2f} % late"
    return [
        f'<line class="{kind}-bar" x1="{across(max(0.0, hours["mean"] - aside))}" '
        f'x2="{across(hours["mean"] + aside)}" y1="{y}" y2="{y}"/>',
        f'<line class="{kind}-bar" x1="{x}" x2="{x}" y1="{down(late - above)}" y2="{down(late + above)}"/>',
        f'<circle class="{kind}" cx="{x}" cy="{y}" r="6"><title>{escape(title)}</title></circle>',
    ]


def _late(cells: Mapping[str, Any]) -> float:
    return 100 - cells["in_time_percent"]["mean"]
