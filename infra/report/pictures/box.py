"""A box with a name and what is said of it: one line, or two where one is too short."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from infra.report.pictures.svg import BOLDER, CHARACTER_WIDTH, SMALL, USUAL, rect, text

MARGIN = 14.0
# From a title's baseline to that of the next line, and from there to the next.
BELOW_TITLE, LEADING = 18.0, 14.0
ABOVE_BASELINE, UNDER_BASELINE = 10.0, 3.0


def box(
    x: float, y: float, width: float, height: float, title: str, detail: str, style: str = "", *, beside: float = 0
) -> Iterator[str]:
    """`beside` is room at the right of the detail for something else; then it has one line."""
    most = width - MARGIN - 8
    told = _lines(detail, most - beside, 1 if beside else 2)
    block = ABOVE_BASELINE + BELOW_TITLE + LEADING * (len(told) - 1) + UNDER_BASELINE
    first = y + (height - block) / 2 + ABOVE_BASELINE
    yield rect(x, y, width, height, f"box {style}".strip(), radius=8)
    yield text(x + MARGIN, first, title, "strong", width=most)
    for index, line in enumerate(told):
        whole = "" if index or line == detail else detail
        yield text(x + MARGIN, first + BELOW_TITLE + index * LEADING, line, "quiet small", whole=whole)


def room_for(title: str) -> float:
    """How wide a box must be to show a title whole."""
    return len(title) * USUAL * BOLDER * CHARACTER_WIDTH + MARGIN + 9


def _lines(detail: str, width: float, most: int) -> list[str]:
    """At words' ends; what is too long ends in an ellipsis."""
    characters = max(2, int(width / (SMALL * CHARACTER_WIDTH)))
    if most == 1 and len(detail) > characters:
        return [f"{detail[: characters - 1]}…"]
    return textwrap.wrap(detail, characters, max_lines=most, placeholder="…") or [""]
