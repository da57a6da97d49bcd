"""Versions beside each other: right answers with what is asked for, sizes, and every question, right or wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from infra.report.pictures.chart import Frame
from infra.report.pictures.svg import CHART_WIDTH, Picture, line, rect, text
from infra.report.words import count

MOST_VERSIONS, MOST_CASES = 5, 14
STYLES = ("c1", "c2", "c4", "c5", "c0")
_LEFT, _RIGHT = 100, 8
# What is more has no room with all its digits.
_MOST = 1e6
_RIGHT_HEIGHT, _SIZE_HEIGHT, _BETWEEN, _ROW = 100, 56, 58, 22


@dataclass(frozen=True, kw_only=True)
class Column:
    """One version. `measured` of `allowed`; `cases` says of a question whether it was right, and has none of which
    nothing is known."""

    version: str
    measured: float | None
    allowed: float | None
    mebibytes: float | None = None
    cases: Mapping[str, bool] = field(default_factory=dict[str, bool])
    more: str = ""


def picture(title: str, what: str, columns: Sequence[Column], most: float | None = None) -> Picture:
    """`most` is the end of the scale, where it has one."""
    highest = most or max((value for one in columns for value in (one.measured, one.allowed) if value), default=1.0)
    frame = _frame(34, _RIGHT_HEIGHT, len(columns), highest)
    body = [*_bars(frame, f"{what} (dashed: asked for)", columns, [(one.measured, one.allowed) for one in columns])]
    bottom = frame.top + frame.height
    sizes = [one.mebibytes for one in columns]
    if any(sizes):
        lower = _frame(bottom + _BETWEEN, _SIZE_HEIGHT, len(columns), max(size or 0 for size in sizes))
        body += _bars(lower, "Size, MiB", columns, [(size, None) for size in sizes])
        bottom = lower.top + lower.height
    for index in range(len(columns)):
        body.append(text(frame.x(index + 0.5), bottom + 17, str(index + 1), "strong small", anchor="middle"))
    cases = [*dict.fromkeys(case for one in columns for case in one.cases)]
    bottom += 26
    for row, case in enumerate(cases[:MOST_CASES]):
        body += _case(frame, bottom + row * _ROW, case, columns)
    bottom += _ROW * len(cases[:MOST_CASES])
    if (left := len(cases) - MOST_CASES) > 0:
        body.append(text(0, bottom + 14, f"and {count(left, 'more question')}", "quiet small"))
        bottom += _ROW
    said = "; ".join(
        f"{one.version}: {_figure(one.measured)}"
        + ("" if one.allowed is None else f" of {one.allowed:g} asked for")
        + ("" if one.mebibytes is None else f", {one.mebibytes:.1f} MiB")
        + "".join(f", {case} {_word(right)}" for case, right in one.cases.items())
        for one in columns
    )
    legend = [
        (f"{index}: {one.version}{one.more}", style)
        for index, (one, style) in enumerate(zip(columns, STYLES, strict=False), 1)
    ]
    return Picture(
        title=title,
        description=f"{what}. {said}. Dashed: what is asked for.",
        width=CHART_WIDTH,
        height=bottom + 4,
        body="".join(body),
        legend=tuple(legend),
    )


def _frame(top: float, height: float, columns: int, most: float) -> Frame:
    return Frame(top=top, height=height, most_x=max(2, columns), most_y=most, left=_LEFT, right=_RIGHT, wanted_ticks=2)


def _bars(
    frame: Frame, what: str, columns: Sequence[Column], values: Sequence[tuple[float | None, float | None]]
) -> Iterator[str]:
    """Each is a value and, where it has one, its bound."""
    yield text(0, frame.top - 22, what, "strong small", width=CHART_WIDTH)
    yield from frame.grid()
    width = min(38, frame.x(0.7) - frame.x(0))
    for index, (one, (value, bound), style) in enumerate(zip(columns, values, STYLES, strict=False)):
        middle = frame.x(index + 0.5)
        if value is None:
            yield text(middle, frame.y(0) - 5, "none", "quiet small", anchor="middle")
            continue
        top = _y(frame, value)
        yield rect(middle - width / 2, top, width, frame.y(0) - top, f"fill {style}", title=f"{one.version}: {value:g}")
        line_at = top if bound is None else _y(frame, bound)
        # A dashed line would run through a figure that stands between it and the bar.
        above = line_at if top - 16 < line_at < top else top
        yield text(middle, above - 4, _figure(value), "small", anchor="middle")
        if bound is not None:
            yield line(frame.x(index + 0.08), line_at, frame.x(index + 0.92), line_at, "mark")


def _y(frame: Frame, value: float) -> float:
    """Whatever a record says, inside of the frame."""
    return frame.y(min(value, frame.ticks[-1]))


def _case(frame: Frame, top: float, case: str, columns: Sequence[Column]) -> Iterator[str]:
    yield text(0, top + 14, case, "small", width=_LEFT - 6)
    for index, one in enumerate(columns):
        right = one.cases.get(case)
        style = "track" if right is None else "fill light c3" if right else "fill light wrong"
        left, width = frame.x(index + 0.04), frame.x(0.92) - frame.x(0)
        yield rect(left, top + 1, width, _ROW - 4, style, radius=4, title=f"{case}, {one.version}: {_word(right)}")
        yield text(left + width / 2, top + 14, _word(right), "small", anchor="middle")


def _word(right: bool | None) -> str:
    return "?" if right is None else "right" if right else "wrong"


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f}" if 10 <= value < _MOST else f"{value:.3g}"
