"""The plot of how long a plan takes: bars as a small SVG that is readable on light and on dark pages."""

from __future__ import annotations

from html import escape
from typing import Any

_WIDTH, _LEFT, _BAR, _STEP = 760, 220, 24, 34
_STYLE = """<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.note { font-size: 12px; fill: #59636e }
.bar { fill: #2f6fde } .limit { stroke: #9aa4ae; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } .limit { stroke: #6e7681 } .bar { fill: #6ba1ff }
}
</style>"""


def plot(result: dict[str, Any]) -> str:
    """Seconds to plan, by platform of the small sites and by their number, with the target as a line."""
    target = result["target"]["plan_seconds"]
    rows = [
        (f"{sites} sites, {name}", steps["plan"])
        for name, found in result["platforms"].items()
        for sites, steps in found["seconds"].items()
    ]
    scale = (_WIDTH - _LEFT - 90) / max(target, *(value for _, value in rows))
    title = f"Seconds to plan {result['models']} models (line: target, {target:g} s)"
    parts = [f'<text class="title" x="8" y="24">{escape(title)}</text>']
    top = 38
    for label, value in rows:
        length = max(2, round(value * scale))
        middle = round(top + _BAR * 0.7)
        parts.append(f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect class="bar" x="{_LEFT}" y="{top}" width="{length}" height="{_BAR}" rx="3"/>')
        parts.append(f'<text x="{_LEFT + length + 8}" y="{middle}">{value:.2f}</text>')
        top += _STEP
    limit = round(_LEFT + target * scale)
    parts.append(f'<line class="limit" x1="{limit}" x2="{limit}" y1="34" y2="{top}"/>')
    ratios = ", ".join(f"{found['ratio']:.2f} ({name})" for name, found in result["platforms"].items())
    note = (
        f"Twice the sites take so many times as long: {ratios}. Medians of {result['rounds']}, {result['date'][:10]}."
    )
    parts.append(f'<text class="note" x="8" y="{top + 14}">{escape(note)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 26}" role="img" '
        f'aria-label="{escape(title)}">{_STYLE}{"".join(parts)}</svg>\n'
    )
