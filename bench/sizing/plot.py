"""The scatter of `docs/sizing.svg`: measured against predicted, logarithmic, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.sizing.score import Scored

_SIZE, _LEFT, _TOP, _BOTTOM = 460, 64, 78, 46
_LEAST_MS, _MOST_MS = 2.0, 200.0
_TICKS = (2, 5, 10, 20, 50, 100, 200)
_ENGINES = {"vllm": "vLLM", "tensorrt_llm": "TensorRT-LLM", "sglang": "SGLang", "llama_cpp": "llama.cpp"}
_STYLE = """<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.note { font-size: 12px; fill: #59636e }
.axis { stroke: #9aa4ae; stroke-width: 1 } .even { stroke: #59636e; stroke-width: 1.5 }
.band { fill: #9aa4ae; fill-opacity: .2 }
.vllm { fill: #2f6fde } .tensorrt_llm { fill: #2da44e } .sglang { fill: #bf5af2 } .llama_cpp { fill: #d4780a }
circle { fill-opacity: .75 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } .axis { stroke: #6e7681 } .even { stroke: #9198a1 }
  .vllm { fill: #6ba1ff } .tensorrt_llm { fill: #56d364 } .sglang { fill: #d2a8ff } .llama_cpp { fill: #f0a04b }
}
</style>"""


def plot(judged: Sequence[Scored], band_percent: float, note: str) -> str:
    """One dot per row, predicted with constants fitted without the row's model; the band is the median error."""
    width, height = _LEFT + _SIZE + 190, _TOP + _SIZE + _BOTTOM
    upper, lower = 1 + band_percent / 100, 1 - band_percent / 100
    parts = [
        '<text class="title" x="8" y="22">Time per output token, ms: each model predicted without its own rows</text>',
        f'<text class="note" x="8" y="42">{escape(note)}</text>',
        f'<polygon class="band" points="{_corners(lower, upper)}"/>',
        _line("even", _LEAST_MS, _LEAST_MS, _MOST_MS, _MOST_MS),
        _line("axis", _LEAST_MS, _LEAST_MS, _MOST_MS, _LEAST_MS),
        _line("axis", _LEAST_MS, _LEAST_MS, _LEAST_MS, _MOST_MS),
        f'<text class="note" x="{_LEFT + _SIZE / 2:.0f}" y="{height - 8}" text-anchor="middle">measured</text>',
        f'<text class="note" x="8" y="{_TOP - 14}">predicted</text>',
    ]
    for tick in _TICKS:
        parts.append(
            f'<text class="note" x="{_x(tick):.0f}" y="{_y(_LEAST_MS) + 18:.0f}" text-anchor="middle">{tick}</text>'
        )
        parts.append(f'<text class="note" x="{_LEFT - 8}" y="{_y(tick) + 4:.0f}" text-anchor="end">{tick}</text>')
    for one in judged:
        measured = one.row.time_per_output_token_ms
        if measured:
            title = f"{one.row.id}: {one.row.model} on {one.row.gpu}, {one.row.engine}: "
            title += f"{measured:.1f} ms measured, {one.time_per_output_token_ms:.1f} predicted"
            place = f'cx="{_x(measured):.1f}" cy="{_y(one.time_per_output_token_ms):.1f}"'
            parts.append(f'<circle class="{one.row.engine}" {place} r="4"><title>{escape(title)}</title></circle>')
    for index, (engine, name) in enumerate(_ENGINES.items()):
        top = _TOP + 20 + 24 * index
        parts.append(f'<circle class="{engine}" cx="{_LEFT + _SIZE + 24}" cy="{top}" r="5"/>')
        parts.append(f'<text x="{_LEFT + _SIZE + 38}" y="{top + 5}">{name}</text>')
    alt = escape(f"Measured against predicted time per output token; median error {band_percent} %")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{alt}">'
        f"{_STYLE}{''.join(parts)}</svg>\n"
    )


def _x(milliseconds: float) -> float:
    return _LEFT + _SIZE * _share(milliseconds)


def _y(milliseconds: float) -> float:
    return _TOP + _SIZE * (1 - _share(milliseconds))


def _share(milliseconds: float) -> float:
    kept = min(max(milliseconds, _LEAST_MS), _MOST_MS)
    return math.log(kept / _LEAST_MS) / math.log(_MOST_MS / _LEAST_MS)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{_x(x1):.1f}" y1="{_y(y1):.1f}" x2="{_x(x2):.1f}" y2="{_y(y2):.1f}"/>'


def _corners(lower: float, upper: float) -> str:
    """The band around the diagonal, cut where the axes end."""
    low, high = _LEAST_MS, _MOST_MS
    above = ((low, low), (low, low * upper), (high / upper, high))
    below = ((high, high), (high, high * lower), (low / lower, low))
    return " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in above + below)
