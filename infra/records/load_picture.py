"""What load tests have measured, beside what the plan estimates of that load, before and after calibration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.report.pictures.svg import CHART_WIDTH, Picture, line, rect, text

_LEFT, _RIGHT, _ROW, _ABOVE = 118, 92, 22, 30
Span = tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Speed:
    """One row: from what to what. `style` is its colour."""

    name: str
    style: str
    first_token_ms: Span
    each_token_ms: Span
    tokens_per_second: Span


PANELS = (
    ("First token, ms", "first_token_ms"),
    ("Time per output token, ms", "each_token_ms"),
    ("Output tokens a second", "tokens_per_second"),
)
# What each colour is.
STYLES = {"c1": "measured, of 8 in 10 requests", "c2": "estimated", "c3": "estimated, calibrated"}


def picture(title: str, rows: Sequence[Speed]) -> Picture:
    """Three panels, a row for each; what nobody knows is said in words."""
    body: list[str] = []
    told: list[str] = []
    top = 0.0
    for name, field in PANELS:
        spans: list[Span] = [getattr(row, field) for row in rows]
        body += _panel(top, name, rows, spans)
        top += _ABOVE + _ROW * len(rows) + 14
        told += [f"{name}, {row.name}: {said(span)}" for row, span in zip(rows, spans, strict=True)]
    return Picture(
        title=title,
        description=f"{'; '.join(told)}. What was measured is from what 1 of 10 to what 9 of 10 requests had at most.",
        width=CHART_WIDTH,
        height=top - 6,
        body="".join(body),
        legend=tuple((said, style) for style, said in STYLES.items() if any(row.style == style for row in rows)),
    )


def _panel(top: float, name: str, rows: Sequence[Speed], spans: Sequence[Span]) -> Iterator[str]:
    most = max((span[1] for span in spans if span), default=0.0) or 1.0
    width = CHART_WIDTH - _LEFT - _RIGHT
    yield text(0, top + 14, name, "strong small")
    for index, (row, span) in enumerate(zip(rows, spans, strict=True)):
        y = top + _ABOVE + index * _ROW
        yield text(0, y + 12, row.name, "small", width=_LEFT - 6)
        yield rect(_LEFT, y + 1, width, _ROW - 8, "track", radius=3)
        if span:
            low, high = (width * value / most for value in span)
            # A single figure is a bar from nothing; a span lies where it is.
            start = 0.0 if span[0] == span[1] else low
            yield rect(_LEFT + start, y + 1, max(2, high - start), _ROW - 8, f"fill {row.style}", radius=3)
        yield text(_LEFT + width + 8, y + 12, said(span), "small" if span else "quiet small", width=_RIGHT - 8)
    yield line(_LEFT, top + _ABOVE - 3, _LEFT, top + _ABOVE + _ROW * len(rows) - 4, "axis")


def said(span: Span) -> str:
    """As a table has it."""
    if span is None:
        return "no estimate"
    low, high = (f"{value:,.0f}" if 100 <= value < 1e6 else f"{value:,.3g}" for value in span)
    return low if low == high else f"{low} to {high}"
