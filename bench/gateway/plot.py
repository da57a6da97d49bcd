"""The README's plot: horizontal bars as a small SVG that is readable on light and on dark pages."""

from __future__ import annotations

import textwrap
from html import escape
from typing import Any

_WIDTH = 760
_LEFT = 150
_BAR = 24
_STEP = 34
_STYLE = """<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.note { font-size: 12px; fill: #59636e }
.other { fill: #9aa4ae } .own { fill: #2f6fde }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } .other { fill: #6e7681 } .own { fill: #6ba1ff }
}
</style>"""
_NAMES = {"direct": "no proxy", "nginx": "nginx", "slipway": "slipway", "litellm": "LiteLLM"}


def plot(result: dict[str, Any]) -> str:
    """Requests per second, and CPU per request and per streamed event, of every target."""
    cpu = result["cpu_us"]
    charts = [
        ("Requests per second on one core (2 KB prompt, 32 connections)", result["requests_per_second"], "{:,.0f}"),
        ("CPU per request, µs", {name: cpu[name]["per_request"] for name in cpu}, "{:,.1f}"),
        ("CPU per streamed event, µs", {name: cpu[name]["per_event"] for name in cpu}, "{:,.1f}"),
    ]
    parts: list[str] = []
    top = 8
    for title, values, form in charts:
        parts.append(f'<text class="title" x="8" y="{top + 16}">{escape(title)}</text>')
        top += 30
        largest = max(values.values()) or 1
        for name, value in values.items():
            length = max(2, round((_WIDTH - _LEFT - 90) * value / largest))
            middle = top + _BAR * 0.7
            kind = "own" if name == "slipway" else "other"
            parts.append(f'<text x="{_LEFT - 10}" y="{middle:.0f}" text-anchor="end">{_NAMES.get(name, name)}</text>')
            parts.append(f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{length}" height="{_BAR}" rx="3"/>')
            parts.append(f'<text x="{_LEFT + length + 8}" y="{middle:.0f}">{form.format(value)}</text>')
            top += _STEP
        top += 14
    machine = result["machine"]
    note = f"{machine['cpu']}, {result['date'][:10]}, medians of {result['rounds']} interleaved rounds"
    # One line would run over the edge.
    features = textwrap.wrap(f"slipway with {', '.join(result['features'])}", 100)
    for line in (note, *features):
        parts.append(f'<text class="note" x="8" y="{top + 10}">{escape(line)}</text>')
        top += 20
    alt = escape(f"slipway: {result['ratio_to_nginx']} of nginx's requests per second")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 4}" role="img" aria-label="{alt}">'
        f"{_STYLE}{''.join(parts)}</svg>\n"
    )
