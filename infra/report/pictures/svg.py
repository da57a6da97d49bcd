"""SVG in small pieces: shapes and text, escaped, with classes that the page's style colours in light and in dark."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

# Of a usual sans-serif: the mean width of a character, as a part of the type size.
CHARACTER_WIDTH = 0.56
BOLDER = 1.12
SMALL, USUAL = 12, 13
# What charts are wide: readable on a phone without being scaled much, and two or three beside each other elsewhere.
CHART_WIDTH = 340


@dataclass(frozen=True, kw_only=True)
class Picture:
    """`description` says in words what the picture shows, for whoever cannot see it. `kind` is for the style."""

    title: str
    description: str
    width: float
    height: float
    body: str
    legend: tuple[tuple[str, str], ...] = ()
    kind: str = "chart"


def svg(picture: Picture, identity: str) -> str:
    """The whole element; ids are unique where `identity` is."""
    return (
        f'<svg role="img" aria-labelledby="{identity}-title {identity}-description" '
        f'viewBox="0 0 {_n(picture.width)} {_n(picture.height)}" class="{picture.kind}">'
        f'<title id="{identity}-title">{xml(picture.title)}</title>'
        f'<desc id="{identity}-description">{xml(picture.description)}</desc>{picture.body}</svg>'
    )


def text(
    x: float,
    y: float,
    content: str,
    style: str = "",
    *,
    anchor: str = "start",
    width: float | None = None,
    whole: str = "",
) -> str:
    """One line; with a width, cut to it. What is not all of it has the whole as its tooltip."""
    size = (SMALL if "small" in style else USUAL) * (BOLDER if "strong" in style else 1)
    shown = content if width is None else cut(content, width, size)
    whole = whole or (content if shown != content else "")
    tooltip = f"<title>{xml(whole)}</title>" if whole else ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{_n(x)}" y="{_n(y)}"{_class(style)}{place}>{xml(shown)}{tooltip}</text>'


def rect(x: float, y: float, width: float, height: float, style: str, *, radius: float = 0, title: str = "") -> str:
    tooltip = f"<title>{xml(title)}</title>" if title else ""
    rounded = f' rx="{_n(radius)}"' if radius else ""
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(max(0, width))}" height="{_n(height)}"{rounded}{_class(style)}'
    return f"<rect {place}>{tooltip}</rect>" if tooltip else f"<rect {place}/>"


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"{_class(style)}/>'


def path(points: Iterable[tuple[float, float]], style: str, *, closed: bool = False) -> str:
    """Straight from point to point."""
    drawn = " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    return f'<path d="M{drawn}{"Z" if closed else ""}"{_class(style)}/>'


def dot(x: float, y: float, style: str, title: str) -> str:
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2.5"{_class(style)}><title>{xml(title)}</title></circle>'


def arrow(points: list[tuple[float, float]], style: str) -> str:
    """A way with corners, and a head in the direction in which it ends."""
    (x0, y0), (x, y) = points[-2:]
    length = math.hypot(x - x0, y - y0) or 1
    dx, dy = (x - x0) / length, (y - y0) / length
    back = (x - 8 * dx, y - 8 * dy)
    head = [(x, y), (back[0] - 4 * dy, back[1] + 4 * dx), (back[0] + 4 * dy, back[1] - 4 * dx)]
    return path([*points[:-1], back], f"way {style}") + path(head, f"head {style}", closed=True)


def ticks(most: float, wanted: int = 4) -> list[float]:
    """Round numbers from 0 to at least `most`."""
    if most <= 0:
        return [0, 1]
    rough = most / wanted
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [step * index for index in itertools.takewhile(lambda i: step * (i - 1) < most * 0.999, itertools.count())]


def cut(content: str, width: float, size: float = USUAL) -> str:
    """What is too long for a width ends in an ellipsis."""
    most = max(1, int(width / (size * CHARACTER_WIDTH)))
    return content if len(content) <= most else f"{content[: most - 1]}…"


def xml(content: str) -> str:
    """Text without what XML does not have."""
    return escape("".join(c if c.isprintable() else " " for c in content))


def _class(style: str) -> str:
    return f' class="{xml(style)}"' if style else ""


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
