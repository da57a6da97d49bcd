"""The picture of a load test: how long requests waited for their first token and between tokens, beside the bounds;
and when they came and were answered.

Readable on light and on dark pages.
"""

from html import escape
from typing import Any

from tools.trials.course import course

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 380, 220, 56, 92, 76
_CURVES = (
    ("time_to_first_token_seconds", "First token, ms", "time to first token", 1000.0, "time_to_first_token_ms"),
    (
        "time_per_output_token_milliseconds",
        "Between tokens, ms",
        "time per output token",
        1.0,
        "time_per_output_token_ms",
    ),
)
_STYLE = """<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .note { font-size: 12px; fill: #59636e }
.axis { stroke: #9aa4ae; stroke-width: 1 } .grid { stroke: #9aa4ae; stroke-opacity: .25 }
.measured { fill: none; stroke: #2f6fde; stroke-width: 2.5 } .dot { fill: #2f6fde }
.bound { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 6 4 } .boundtext { font-size: 12px; fill: #cf222e }
.band { fill: #2da44e; fill-opacity: .18 }
.came { fill: #9aa4ae; fill-opacity: .35 } .answered { fill: none; stroke: #2f6fde; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } .axis { stroke: #6e7681 } .measured, .answered { stroke: #6ba1ff }
  .dot { fill: #6ba1ff } .bound { stroke: #ff7b72 } .boundtext { fill: #ff7b72 } .band { fill: #56d364 }
}
</style>"""


def picture(record: dict[str, Any]) -> str:
    """One panel for each time: percentiles of requests, the objective as a line, the plan's estimate as a band."""
    panels = [panel for panel in _CURVES if record["curves"].get(panel[0])]
    over_time = bool(record.get("course"))
    drawn = len(panels) + over_time
    width = 2 * _LEFT + drawn * _WIDTH + max(0, drawn - 1) * _GAP
    figures, about = record["figures"], record["about"]
    title = (
        f"{about['trial']} of stack {about['stack']}: {figures['requests']:.0f} requests in {figures['seconds']:.0f} s"
    )
    note = (
        f"{figures['requests_per_second']:g} whole answers/s, {figures['output_tokens_per_second']:g} tokens/s, "
        f"{figures['errors_percent']:g} % failed; {about['engine']}, version {about['version']}, {record['at']}"
    )
    parts = [
        f'<text class="title" x="8" y="22">{escape(title)}</text>',
        f'<text class="note" x="8" y="42">{escape(note)}</text>',
    ]
    for index, panel in enumerate(panels):
        parts += _panel(record, panel, _LEFT + index * (_WIDTH + _GAP))
    if over_time:
        parts += course(record, _LEFT + len(panels) * (_WIDTH + _GAP), _TOP, _WIDTH, _HEIGHT)
    height = _TOP + _HEIGHT + 48
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">{_STYLE}{"".join(parts)}</svg>\n'
    )


def _panel(record: dict[str, Any], panel: tuple[str, str, str, float, str], left: float) -> list[str]:
    name, title, verdict_name, to_ms, estimated = panel
    points = sorted((float(percent), value * to_ms) for percent, value in record["curves"][name].items())
    verdict = next((one for one in record["verdicts"] if one["what"].startswith(verdict_name)), None)
    bound = None if verdict is None else verdict["allowed"] * to_ms
    low, high = _estimate(record["estimate"], estimated)
    most = 1.12 * max(points[-1][1], bound or 0.0, high or 0.0) or 1.0

    def x(percent: float) -> float:
        return left + percent / 100 * _WIDTH

    def y(ms: float) -> float:
        return _TOP + _HEIGHT * (1 - ms / most)

    parts = [f'<text x="{left:.0f}" y="{_TOP - 16}">{title}</text>']
    if low is not None and high is not None:
        parts.append(
            f'<text class="note" x="{left + _WIDTH:.0f}" y="{_TOP - 16}" text-anchor="end">green: the plan</text>'
        )
        # A single figure is a line that can still be seen.
        tall = max(3.0, y(low) - y(high))
        parts.append(f'<rect class="band" x="{left:.1f}" y="{y(high):.1f}" width="{_WIDTH}" height="{tall:.1f}"/>')
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = y(tick * most)
        parts.append(_across("grid", left, at))
        parts.append(
            f'<text class="note" x="{left - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{_figure(tick * most)}</text>'
        )
    for percent in (0, 25, 50, 75, 95, 100):
        anchor = "end" if percent == 95 else "start" if percent == 100 else "middle"
        parts.append(
            f'<text class="note" x="{x(percent):.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="{anchor}">{percent}</text>'
        )
    middle = left + _WIDTH / 2
    parts.append(
        f'<text class="note" x="{middle:.1f}" y="{_TOP + _HEIGHT + 38}" text-anchor="middle">percent of requests</text>'
    )
    drawn = " ".join(f"{x(percent):.1f},{y(ms):.1f}" for percent, ms in points)
    parts.append(f'<polyline class="measured" points="{drawn}"/>')
    for percent, ms in points:
        parts.append(
            f'<circle class="dot" cx="{x(percent):.1f}" cy="{y(ms):.1f}" r="3.5">'
            f"<title>{percent:g} % within {ms:.4g} ms</title></circle>"
        )
    if bound is not None:
        parts.append(_across("bound", left, y(bound)))
        parts.append(
            f'<text class="boundtext" x="{left + 4:.1f}" y="{y(bound) - 5:.1f}">objective {_figure(bound)}</text>'
        )
    return parts


def _figure(ms: float) -> str:
    return f"{ms:,.0f}" if ms >= 10 else f"{ms:.3g}"


def _across(kind: str, left: float, at: float) -> str:
    return f'<line class="{kind}" x1="{left:.1f}" x2="{left + _WIDTH:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>'


def _estimate(estimate: dict[str, Any] | None, name: str) -> tuple[float | None, float | None]:
    if not estimate:
        return None, None
    if name in estimate:
        return estimate[name], estimate[name]
    return estimate[f"{name}_low"], estimate[f"{name}_high"]
