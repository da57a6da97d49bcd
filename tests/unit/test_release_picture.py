"""The picture of a release: what is in it for good and bad ends, that nothing is cut off, and how one asks for it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from infra.__main__ import main
from infra.platforms.local.private_files import make_private, write_private
from infra.releases.looks import Course, Criterion, Figures, Look, looks_of
from infra.report.pictures.release import release_picture
from infra.report.pictures.svg import Picture
from infra.report.pictures.time_panel import WIDTH
from infra.steering.drawn import to_page, to_picture
from serving.release.state import decoded, encoded
from tests.judged import BAD, at_ten_percent
from tests.released import with_release

BEGIN = 1_790_000_000.0
SVG = "{http://www.w3.org/2000/svg}"


def criteria(errors: float, first: float | None = None) -> tuple[Criterion, ...]:
    bounds: dict[str, Any] = {"passes_at": -3.0, "ends_at": 4.4}
    found = [Criterion(name="error_rate", ratio=errors, limit_percent=2, **bounds)]
    if first is not None:
        found.append(Criterion(name="time_to_first_token", ratio=first, limit_percent=5, **bounds))
    return tuple(found)


def look(minute: float, percent: float, said: str = "", **more: Any) -> Look:
    failed, answers = more.pop("failed", 1), more.pop("answers", 100)
    candidate = Figures(answers=answers, failed=failed, first_tokens=answers, late=0, p95_seconds=0.4)
    stable = Figures(answers=1000, failed=2, first_tokens=1000, late=0, p95_seconds=0.3)
    fields: dict[str, Any] = {"candidate": candidate, "stable": stable, "criteria": criteria(-1.0, -0.5), **more}
    return Look(at=BEGIN + 60 * minute, step=0, percent=percent, said=said, **fields)


NOTHING: dict[str, Any] = {"candidate": None, "stable": None, "criteria": ()}
BEGINS = look(0, 0, "begins with 0 %", **NOTHING)
GOOD = Course(
    site="main",
    model="chat",
    candidate="next",
    looks=(
        BEGINS,
        look(1, 10, "10 %: answers", passed=True, right_percent=100.0, criteria=()),
        look(3, 10),
        look(6, 100, "100 %: 1 of 100 answers failed", passed=True, right_percent=100.0),
        look(8, 100, criteria=criteria(-9.0, -40.0)),
        look(10, 100, "done: 1 of 100 answers failed", phase="done"),
    ),
    sends="share",
    error_percent=2,
    first_token_seconds=1,
)
BACK = replace(
    GOOD,
    looks=(
        *GOOD.looks[:3],
        look(6, 0, "rolled back: 40 of 100 answers failed", phase="rolled_back", failed=40, criteria=criteria(60.0)),
    ),
)


def drawn(picture: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(f'<svg xmlns="{SVG[1:-1]}">{picture.body}</svg>')


def words(picture: Picture) -> list[str]:
    return [(found.text or "") for found in drawn(picture).iter(f"{SVG}text")]


def styled(picture: Picture, style: str) -> list[ElementTree.Element]:
    return [found for found in drawn(picture).iter() if style in found.get("class", "").split()]


def points(picture: Picture, style: str) -> list[list[tuple[float, float]]]:
    """Of every line of that colour."""
    lines = [found.get("d", "") for found in styled(picture, style) if "series" in found.get("class", "")]
    return [[(float(x), float(y)) for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", line)] for line in lines]


def test_a_good_one_is_drawn_to_its_end() -> None:
    picture = release_picture(GOOD)
    assert picture.title == "main, chat: next is done"
    found = words(picture)
    assert found[0] == "done: 1 of 100 answers failed"
    titles = [text for text in found if text[0].isupper()]
    assert titles == [
        "Share of the candidate",
        "Failed answers",
        "Time to first token, 95th percentile",
        "Log-likelihood ratio of too bad against good enough",
    ]
    assert {"10 %", "100 %", "done", "lets on", "rolls back", "old version", "candidate", "limit"} <= {*found}
    assert "evaluation passed (2)" in found
    assert "minutes since 2026-09-21 14:13:20 UTC" in found
    assert len([dot for dot in styled(picture, "c3") if dot.get("rx") == "5"]) == 2
    assert not styled(picture, "wrong")
    assert "100 %: 1 of 100 answers failed" in picture.description


def test_shares_are_steps() -> None:
    share, *_ = points(release_picture(GOOD), "s2")
    assert [y for _, y in share] == sorted((y for _, y in share), reverse=True)
    corners = [(x, y) for x, y in share if y != share[0][1]]
    assert len({y for _, y in corners}) == 2
    for (x0, y0), (x1, y1) in pairwise(share):
        assert x0 == x1 or y0 == y1, "a share never slides"


def test_what_is_counted_anew_is_another_line() -> None:
    picture = release_picture(GOOD)
    share, *candidate = points(picture, "s2")
    assert share
    # Two panels; in each a line up to each decision: before the first step, at 10 % and at 100 %.
    assert len(candidate) == 2 * 3
    assert len(points(picture, "s1")) == 2


def test_one_that_was_rolled_back_says_so_and_why() -> None:
    picture = release_picture(BACK)
    assert picture.title == "main, chat: next is rolled back"
    found = words(picture)
    assert found[0] == "rolled back: 40 of 100 answers failed"
    assert "rolled back" in found
    assert "40 %" in found, "the axis reaches what it was"
    (verdict,) = styled(picture, "wrong")
    share, *_ = points(picture, "s2")
    assert share[-1][1] == max(y for _, y in share), "back to 0"
    assert float(verdict.get("x", 0)) + 1 == pytest.approx(share[-1][0], abs=WIDTH * 0.05)
    failed = replace(BACK, looks=(*BACK.looks[:3], replace(BACK.looks[3], passed=False, right_percent=50.0)))
    picture = release_picture(failed)
    assert "failed (1)" in words(picture)
    assert len([dot for dot in styled(picture, "wrong") if dot.get("rx") == "5"]) == 1


@pytest.mark.parametrize("course", [GOOD, BACK, replace(GOOD, looks=(BEGINS,))], ids=["good", "back", "begun"])
def test_nothing_is_outside(course: Course) -> None:
    picture = release_picture(course)
    for found in drawn(picture).iter():
        for name, most in (("x", WIDTH), ("x1", WIDTH), ("x2", WIDTH), ("y", picture.height), ("y1", picture.height)):
            assert 0 <= float(found.get(name, 0)) <= most + 0.5, ElementTree.tostring(found)
        for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", found.get("d", "")):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= picture.height


def test_panels_without_anything_are_told_or_left_out() -> None:
    begun = replace(GOOD, looks=(BEGINS,))
    assert words(release_picture(begun)).count("nothing counted yet") == 1
    assert "Time to first token, 95th percentile" not in words(release_picture(begun))
    assert not any("ratio" in text for text in words(release_picture(begun)))
    copies = replace(GOOD, sends="copies", looks=(*GOOD.looks[:3],))
    assert "Copies to the candidate" in words(release_picture(copies))
    assert release_picture(copies).title == "main, chat: next running at 10 % as copies"
    unlimited = words(release_picture(replace(GOOD, first_token_seconds=None)))
    assert unlimited.count("limit") == 1
    by_hand = replace(GOOD, looks=(*GOOD.looks[:3], look(4, 0, "rolled back by hand", phase="rolled_back", **NOTHING)))
    assert words(release_picture(by_hand))[0] == "rolled back by hand"


def test_a_picture_alone_and_a_page_load_nothing() -> None:
    for text in (to_picture("prod", [GOOD, BACK]), to_page("prod", [GOOD, replace(BACK, looks=())])):
        assert not re.findall(r"<script|href=\"http|src=|url\(|@import", text)
        assert "main, chat: next is done" in text
    page = to_page("prod", [GOOD, replace(BACK, looks=())])
    assert page.count("<svg") == 1
    assert "not begun" in page
    assert "<td>done: 1 of 100 answers failed</td>" in page
    root = ElementTree.fromstring(to_picture("prod", [GOOD, BACK]))
    assert root.tag == f"{SVG}svg"


def test_what_a_judge_writes_is_what_is_read() -> None:
    state = at_ten_percent(BAD)
    (mine,) = looks_of(json.loads(encoded({"x": state}))["x"])
    (theirs,) = state.history
    assert (mine.at, mine.step, mine.percent, mine.phase, mine.said) == (2, 0, 0, "rolled_back", theirs.said)
    assert mine.candidate == Figures(answers=100, failed=40, first_tokens=100, late=40)
    assert [(one.name, one.ratio, one.limit_percent) for one in mine.criteria] == [
        (one.name, one.ratio, one.limit_percent) for one in theirs.criteria
    ]
    assert (mine.passed, mine.right_percent) == (True, 100)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the state is, of a stack `dev` with a release."""
    return with_release(tmp_path, monkeypatch)


def test_the_command_draws_what_people_did(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["release", "--format", "svg"]) == 1
    assert "a picture of a release that has begun" in capsys.readouterr().err
    assert main(["release", "--format", "html"]) == 0
    assert "not begun" in capsys.readouterr().out
    for action in ("--promote", "--abort"):
        assert main(["release", action]) == 0
    capsys.readouterr()
    assert main(["release", "--format", "svg"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("<svg ")
    assert {"rolled back by hand", "here, chat: next is rolled back", "10 %"} <= {
        found.text for found in ElementTree.fromstring(text).iter(f"{SVG}text")
    }
    said = [one.said for one in decoded(written.read_bytes())["chat"].history]
    assert said == ["10 % by hand", "rolled back by hand"]
    assert main(["release", "--format", "html", "--abort"]) == 1
    assert "do it first, and draw it then" in capsys.readouterr().err


def test_a_history_that_somebody_broke_is_refused(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_private(written.parent)
    write_private(written, json.dumps({"chat": {"release": "next", "log": [], "history": [{"at": "x"}]}}).encode())
    assert main(["release", "--format", "html"]) == 1
    assert "correct or remove it" in capsys.readouterr().err
