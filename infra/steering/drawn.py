"""The courses of a stack's releases as a page, or as one picture that stands alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from infra.problems import Problem, Refused
from infra.releases.looks import Course, Figures, Look
from infra.report.headline import Figure
from infra.report.html_page import page
from infra.report.pictures.release import release_picture
from infra.report.section import Row, Section, Table
from infra.report.svg import alone
from infra.report.words import count

HEADER = ("UTC", "share", "answers", "failed", "first token, p95", "old version: these", "decision")


def to_page(stack: str, courses: Sequence[Course]) -> str:
    """One section for each release, also for those that have not begun."""
    told = {f"release-{number}": course for number, course in enumerate(courses)}
    figures = [Figure(label=f"{course.site}, {course.model}", value=course.where) for course in courses]
    pictures = [release_picture(course) for course in courses if course.looks]
    sections = [_section(name, course) for name, course in told.items()]
    lead = f"{count(len(courses), 'release')}, as the judge and whoever steered them left them."
    foot = "What looks found is kept with the release: every decision, and of the other looks an even choice."
    return page("release", stack, lead, figures, sections, foot, pictures)


def to_picture(stack: str, courses: Sequence[Course]) -> str:
    """Raises Refused where none has begun: there is nothing to draw."""
    drawn = [release_picture(course) for course in courses if course.looks]
    if not drawn:
        problem = Problem(
            where="--format",
            found="`svg`, and no release that anybody has looked at",
            allowed="a picture of a release that has begun",
            remedy="let its judge begin, or print it as `text`",
        )
        raise Refused("the command", [problem])
    return alone(f"{stack}: {'; '.join(picture.title for picture in drawn)}", drawn)


def _section(name: str, course: Course) -> Section:
    tables = (Table(header=HEADER, rows=[*_rows(course)]),) if course.looks else ()
    note = "" if course.looks else f"`{course.candidate}`: {course.where}"
    return Section(name=name, title=f"{course.site}, {course.model}", note=note, tables=tables)


def _rows(course: Course) -> Iterator[Row]:
    for look in course.decided:
        old = " · ".join(_of(look.stable)) if look.stable else "-"
        yield (_clock(look), f"{look.percent:g} %", *_of(look.candidate), old, look.said)


def _of(figures: Figures | None) -> tuple[str, str, str]:
    """A person's decision has none."""
    if figures is None or figures.failed_percent is None:
        return "-", "-", "-"
    waited = "-" if figures.p95_seconds is None else f"{figures.p95_seconds:.3g} s"
    return f"{figures.answers:,}", f"{figures.failed_percent:.3g} %", waited


def _clock(look: Look) -> str:
    return datetime.fromtimestamp(look.at, UTC).strftime("%Y-%m-%d %H:%M:%S")


FORMATS: Mapping[str, Callable[[str, Sequence[Course]], str]] = {"html": to_page, "svg": to_picture}
