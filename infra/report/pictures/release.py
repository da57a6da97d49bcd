"""The course of a release: the candidate's share, how both versions did, how sure the judge was, and how it ended."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from infra.releases.looks import Course, Criterion, Figures, Look
from infra.report.pictures.svg import BOLDER, CHARACTER_WIDTH, SMALL, Picture, line, path, rect, text, ticks
from infra.report.pictures.time_panel import LEFT, RIGHT, WIDTH, Panel, TimeScale

NAMES = {"error_rate": "failed answers", "time_to_first_token": "first tokens"}
STYLES = {"error_rate": "c3", "time_to_first_token": "c4"}
CHARACTERS, LEADING = 108, 16
Points = list[tuple[float, float]]


def release_picture(course: Course) -> Picture:
    """Of a release that has begun."""
    looks = course.looks
    time = TimeScale(begin=looks[0].at, end=looks[-1].at)
    ended = looks[-1].phase in ("done", "rolled_back")
    title = f"{course.site}, {course.model}: {course.candidate} {'is ' if ended else ''}{course.where}"
    told = textwrap.wrap(looks[-1].said or course.decided[-1].said if course.decided else "", CHARACTERS)
    body = [text(0, 12 + number * LEADING, said, "quiet") for number, said in enumerate(told)]
    top, bottom = len(told) * LEADING + 34.0, 0.0
    for panel, draw in _panels(course, time, top):
        # A decision is seen in every panel.
        marks = [line(x, panel.top, x, panel.bottom, "mark") for x in (time.x(look.at) for look in course.decided[1:])]
        body += [*panel.frame(), *marks, *draw(panel)]
        bottom = panel.bottom
    began = datetime.fromtimestamp(time.begin, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Picture(
        title=title,
        description="; ".join(look.said for look in course.decided) + ".",
        width=WIDTH,
        height=bottom + 44,
        body="".join((*body, *time.axis(bottom, f"since {began}"))),
        kind="release",
    )


def _panels(course: Course, time: TimeScale, top: float) -> Iterator[tuple[Panel, Callable[[Panel], Iterator[str]]]]:
    """From the top down; of what nobody judges there is none."""
    looks = course.looks

    def panel(title: str, low: float, high: float, height: float = 88, unit: str | None = None) -> Panel:
        nonlocal top
        made = Panel(time=time, title=title, top=top, height=height, low=low, high=high, unit=unit)
        top = made.bottom + 46
        return made

    title = "Share of the candidate" if course.sends == "share" else "Copies to the candidate"
    yield panel(title, 0, 100, 76, " %"), lambda made: _share(made, looks)
    limits = [*_limits(looks, "error_rate")] or [course.error_percent]
    failed = [*_values(looks, lambda figures: figures.failed_percent), *limits]
    yield (
        panel("Failed answers", 0, ticks(max(failed))[-1], unit=" %"),
        lambda made: _versions(made, looks, lambda figures: figures.failed_percent, _limit_path(made, course)),
    )
    waited = [*_values(looks, lambda figures: figures.p95_seconds)]
    if waited:
        limit = course.first_token_seconds
        high = ticks(max([*waited, limit or 0]))[-1]
        yield (
            panel("Time to first token, 95th percentile", 0, high, unit=" s"),
            lambda made: _versions(
                made,
                looks,
                lambda figures: figures.p95_seconds,
                [] if limit is None else [(time.begin, limit), (time.last, limit)],
            ),
        )
    criteria = [criterion for look in looks for criterion in look.criteria]
    if criteria:
        low, high = criteria[0].passes_at, criteria[0].ends_at
        yield (
            panel("Log-likelihood ratio of too bad against good enough", low * 1.25, high * 1.25, 110),
            lambda made: _evidence(made, looks, criteria[0]),
        )


def _share(panel: Panel, looks: Sequence[Look]) -> Iterator[str]:
    """Steps, and dots where the candidate was asked questions."""
    time = panel.time
    points: Points = [(time.x(looks[0].at), panel.y(0))]
    for before, after in zip(looks, [*looks[1:], None], strict=True):
        points.append((time.x(before.at), panel.y(before.percent)))
        points.append((time.x(after.at if after else time.last), panel.y(before.percent)))
    floor = panel.y(0)
    yield path([*points, (points[-1][0], floor)], "area s2", closed=True)
    yield path(points, "series s2")
    yield from _labels(panel, looks)
    for look in (look for look in looks if look.passed is not None):
        said = f"{look.right_percent:g} % right" if look.right_percent is not None else ""
        style, x = "c3" if look.passed else "wrong", time.x(look.at)
        yield rect(x - 5, floor - 5, 10, 10, f"fill {style}", radius=5, title=f"evaluation: {said}")
    asked = [look for look in looks if look.passed is not None]
    if asked:
        passed = sum(look.passed is True for look in asked)
        failed = [(f"failed ({len(asked) - passed})", "wrong")] if passed < len(asked) else []
        yield from panel.legend([(f"evaluation passed ({passed})", "c3"), *failed])
    last = looks[-1]
    if last.phase in ("done", "rolled_back"):
        style = "wrong" if last.phase == "rolled_back" else "c3"
        x = time.x(last.at)
        yield rect(x - 1, panel.top, 2, panel.height, f"fill {style}")
        # Where the share's own labels are not.
        y = panel.top + (14 if max(look.percent for look in looks) < 60 else panel.height / 2 + 4)
        yield text(x - 8, y, last.phase.replace("_", " "), "strong", anchor="end")


def _labels(panel: Panel, looks: Sequence[Look]) -> Iterator[str]:
    """Of steps: after the step, or before it where the picture ends. One without room has its line alone."""
    taken = 0.0
    for look in (look for look in looks if look.said and look.phase == "running" and look.percent):
        said, x = f"{look.percent:g} %", panel.time.x(look.at)
        room = len(said) * SMALL * CHARACTER_WIDTH * BOLDER
        left = x + 6 if x + 6 + room < WIDTH - RIGHT else x - 6 - room
        if left > taken:
            yield text(left, max(panel.y(look.percent) - 5, panel.top + 11), said, "small strong")
            taken = left + room


def _versions(
    panel: Panel, looks: Sequence[Look], value: Callable[[Figures], float | None], limit: Points
) -> Iterator[str]:
    """Both versions, from the beginning of each step on, and what they are held to."""
    if limit:
        yield path([(panel.time.x(at), panel.y(most)) for at, most in limit], "mark way")
    drawn = False
    for of, style in ((_stable, "s1"), (_candidate, "s2")):
        for points in _segments(looks, of, value, whole=of is _stable):
            drawn = True
            shown = [(panel.time.x(at), panel.y(found)) for at, found in points]
            # A single point is a line that can be seen.
            yield path(shown if len(shown) > 1 else [*shown, (shown[0][0] + 3, shown[0][1])], f"series {style}")
    if not drawn:
        yield text(panel.time.x(panel.time.begin) + 8, panel.top + panel.height / 2, "nothing counted yet", "quiet")
    yield from panel.legend([("old version", "c1"), ("candidate", "c2")], limit="limit" if limit else "")


def _evidence(panel: Panel, looks: Sequence[Look], bounds: Criterion) -> Iterator[str]:
    """Each criterion between the bounds; beyond them only that it is."""
    for at, said in ((bounds.ends_at, "rolls back"), (0.0, "0"), (bounds.passes_at, "lets on")):
        yield line(LEFT, panel.y(at), WIDTH - RIGHT, panel.y(at), "mark" if at else "axis")
        yield text(LEFT - 8, panel.y(at) + 4, said, "quiet small", anchor="end")
    known = [name for name in NAMES if any(one.name == name for look in looks for one in look.criteria)]
    for name in known:
        segment: Points = []
        for look in looks:
            for one in (one for one in look.criteria if one.name == name):
                segment.append((panel.time.x(look.at), panel.y(min(max(one.ratio, panel.low), panel.high))))
            if look.said:
                yield from _line(segment, STYLES[name])
                segment = []
        yield from _line(segment, STYLES[name])
    yield from panel.legend([(NAMES[name], STYLES[name]) for name in known])


def _line(points: Points, style: str) -> Iterator[str]:
    if points:
        yield path(points if len(points) > 1 else [*points, (points[0][0] + 3, points[0][1])], f"series {style}")


def _stable(look: Look) -> Figures | None:
    return look.stable


def _candidate(look: Look) -> Figures | None:
    return look.candidate


def _segments(
    looks: Sequence[Look],
    of: Callable[[Look], Figures | None],
    value: Callable[[Figures], float | None],
    *,
    whole: bool,
) -> Iterator[Points]:
    """What is counted anew with each step is a line of its own for each."""
    points: Points = []
    for look in looks:
        figures = of(look)
        found = None if figures is None else value(figures)
        if found is not None:
            points.append((look.at, found))
        if look.said and not whole and points:
            yield points
            points = []
    if points:
        yield points


def _values(looks: Sequence[Look], value: Callable[[Figures], float | None]) -> Iterator[float]:
    for look in looks:
        for figures in (look.stable, look.candidate):
            if figures is not None and (found := value(figures)) is not None:
                yield found


def _limits(looks: Sequence[Look], name: str) -> Iterator[float]:
    yield from (one.limit_percent for look in looks for one in look.criteria if one.name == name)


def _limit_path(panel: Panel, course: Course) -> Points:
    """As the test took it: the old version's own figures may make it wider."""
    found = [(look.at, one.limit_percent) for look in course.looks for one in look.criteria if one.name == "error_rate"]
    first = found[0][1] if found else course.error_percent
    last = found[-1][1] if found else course.error_percent
    return [(panel.time.begin, first), *found, (panel.time.last, last)]
