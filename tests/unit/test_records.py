"""Records as a page: what of versions and load tests is shown; what is broken, missing or hostile."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from infra import __main__ as command
from infra.calibration.record import calibration
from infra.load import load_file
from infra.records.calibrated import calibrated
from infra.records.compared import asked_for, pictures
from infra.records.reading import LOAD, Record, read
from infra.report.pictures.svg import Picture, svg
from tests.manifests import ROOT
from tests.unit.test_calibration import measured, model, own, record

HOSTILE = '<img src="https://evil.example/a.png" onerror=alert(1)>&`x'


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the stack files of this one, and nothing recorded."""
    for file in ROOT.glob("Pulumi.*.yaml"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    return tmp_path


def keep(checkout: Path, name: str, data: Any, moment: str = "2026-11-26T092000Z") -> Path:
    file = checkout / ".slipway" / "records" / name / f"{moment}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return file


def evaluation(version: str, **changes: Any) -> dict[str, Any]:
    held = {"what": "right answers, percent, at least", "measured": 75.0, "allowed": 60.0, "kept": True}
    return {
        "kind": "prompts",
        "model": "chat",
        "at": "2026-11-26T09:20:00+00:00",
        "about": {"stack": "dev", "trial": "chat/facts", "version": version},
        "figures": {"cases": 3, "right_percent": 75.0},
        "verdicts": [held],
        "wrong": [],
        "passed": True,
        **changes,
    }


def shown(capsys: pytest.CaptureFixture[str], form: str, stack: str = "dev", status: int = 0) -> str:
    assert command.main(["records", "--stack", stack, "--format", form]) == status
    return capsys.readouterr().out


def drawn(checkout: Path, stack: str = "dev") -> dict[str, ElementTree.Element]:
    """Every picture, parsed strictly, by its title."""
    records = [one for one in read(checkout, stack).records if one.kind != LOAD]
    found: list[Picture] = [*pictures(load_file(checkout / f"Pulumi.{stack}.yaml"), records, {})]
    return {one.title: ElementTree.fromstring(svg(one, "p")) for one in found}


def words(picture: ElementTree.Element) -> list[str]:
    return [text for one in picture.iter("text") if (text := one.text)]


def test_nothing_recorded_says_what_to_run(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "json", "html"):
        assert command.main(["records", "--format", form]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "found    no record" in err
        assert "`make up STACK=dev`, then `make trial STACK=dev`" in err
    assert command.main(["records", "--stack", "nowhere"]) == 1
    assert "Pulumi.nowhere.yaml" in capsys.readouterr().err


def test_what_is_no_record_is_named_and_the_rest_is_shown(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(checkout, "dev/chat/facts", evaluation("aaaa"))
    broken = {
        "01": ("{", "no json"),
        "02": (
            "[]",
            "`kind` is none of prompts, lm_evaluation_harness, load, no `about.version`, no `at`, no `figures`",
        ),
        "03": (evaluation("aaaa", at="yesterday"), "`at` is no moment"),
        "04": (evaluation("aaaa", figures=[1]), "no `figures`"),
        "05": ({"making": "chat/refresh", "at": "2026-11-26", "figures": {}}, "no `version`"),
        "06": ("[" * 100_000, "no json"),
    }
    for day, (data, _) in broken.items():
        keep(checkout, "dev/chat/facts", data, f"2026-12-{day}T000000Z")
    assert command.main(["records"]) == 1
    out, err = capsys.readouterr()
    assert "stack dev: 1 record\n" in out
    for day, (_, says) in broken.items():
        assert f".slipway/records/dev/chat/facts/2026-12-{day}T000000Z.json\n   found    {says}\n" in err
    assert err.count("   do       remove the file, and make the record again") == len(broken)
    shutil.rmtree(checkout / ".slipway")
    keep(checkout, "dev/chat/facts", "{")
    assert command.main(["records", "--format", "html"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "2 problems in the command" in err


def test_figures_that_nobody_can_draw_break_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = {"what": "right answers, percent, at least", "measured": 1e300, "allowed": -5.0, "kept": True}
    keep(checkout, "dev/chat/facts", evaluation("a", verdicts=[verdict, 7, {"what": 3}], wrong=["x", 4, None]))
    text = json.dumps(evaluation("b", verdicts=[verdict, {**verdict, "allowed": 60.0}]))
    text = text.replace("1e+300", "9" * 400).replace("60.0", "NaN")
    keep(checkout, "dev/chat/facts", text, "2026-11-27T000000Z")
    making = {"making": "chat/refresh", "version": "v", "at": "2026-11-26", "figures": {}, "registered": False}
    keep(checkout, "dev/chat/refresh", {**making, "result": {"bytes": -1e12}, "original": 3, "why": 5, "taught": "x"})
    load = {**evaluation("a"), "kind": "load", "curves": {"time_to_first_token_seconds": {"10": -1, "90": "x"}}}
    keep(checkout, "dev/chat/load", load)
    ElementTree.fromstring(shown(capsys, "html"))
    for title, picture in drawn(checkout).items():
        for one in picture.iter():
            for side in ("x", "y", "width", "height", "y1", "y2"):
                assert -20 <= float(one.get(side, 0)) < 1000, title
        assert max(map(len, words(picture))) < 50


def test_what_a_record_says_is_text_and_nothing_else(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = {"what": HOSTILE, "measured": 0.5, "allowed": 0.4, "kept": True}
    keep(checkout, "dev/chat/facts", evaluation(HOSTILE, wrong=[HOSTILE]))
    keep(checkout, "dev/chat/school", evaluation(HOSTILE, kind="lm_evaluation_harness", verdicts=[verdict]))
    making = {"making": "chat/refresh", "version": HOSTILE, "at": "2026-11-26", "figures": {}, "why": HOSTILE}
    keep(checkout, "dev/chat/refresh", making)
    load = {**evaluation(HOSTILE), "kind": "load"}
    keep(checkout, "dev/chat/load", load)
    page = ElementTree.fromstring(shown(capsys, "html"))
    assert not [one for one in page.iter() if one.tag in ("img", "script")]
    assert not [one for one in page.iter() if any(name.startswith("on") for name in one.attrib)]
    assert "".join(page.itertext()).count("<img src=") >= 8


def test_right_answers_over_versions_with_their_threshold(checkout: Path) -> None:
    """The last of each version, in the order in which versions came."""
    for day, version, wrong in (("01", "aaaa", ["colour"]), ("02", "bbbb", []), ("03", "aaaa", ["greeting", "colour"])):
        moment = f"2026-11-{day}T09:20:00+00:00"
        right = round(100 - 100 * len(wrong) / 3, 2)
        held = {"what": "right answers, percent, at least", "measured": right, "allowed": 60.0, "kept": right > 60}
        keep(checkout, "dev/chat/facts", evaluation(version, at=moment, wrong=wrong, verdicts=[held]), f"2026-11-{day}")
    (picture,) = drawn(checkout).values()
    bars = {one.get("class", ""): one for one in picture.iter("rect") if one.get("class", "").startswith("fill c")}
    heights = [float(bars[style].get("height", 0)) for style in ("fill c1", "fill c2")]
    assert heights == pytest.approx([33.3, 100], abs=0.1)
    marks = [one for one in picture.iter("line") if one.get("class") == "mark"]
    assert len(marks) == 2
    bottom = float(bars["fill c1"].get("y", 0)) + heights[0]
    assert [bottom - float(mark.get("y1", 0)) for mark in marks] == pytest.approx([60, 60], abs=0.1)
    told = words(picture)
    assert told[told.index("capital") :] == [
        *("capital", "right", "right"),
        *("colour", "wrong", "right"),
        *("greeting", "wrong", "right"),
    ]


def test_of_questions_that_have_changed_only_wrong_ones_are_known(checkout: Path) -> None:
    keep(checkout, "dev/chat/facts", evaluation("aaaa", wrong=["sum"], figures={"cases": 3, "right_percent": 75}))
    keep(checkout, "dev/chat/facts", evaluation("bbbb", figures={"cases": 9}), "2026-11-27T000000Z")
    (picture,) = drawn(checkout).values()
    assert words(picture)[-3:] == ["sum", "wrong", "?"]


def test_a_benchmarks_figures_have_their_own_scale(checkout: Path) -> None:
    verdicts = [
        {"what": f"{task} exact_match, at least", "measured": measured, "allowed": 0.4, "kept": True}
        for task, measured in (("gsm8k", 0.5), ("mmlu", None))
    ]
    harness = evaluation("aaaa", kind="lm_evaluation_harness", verdicts=verdicts)
    keep(checkout, "dev/chat/school", harness)
    found = [*pictures(load_file(checkout / "Pulumi.dev.yaml"), read(checkout, "dev").records, {})]
    assert [one.description for one in found] == [
        "gsm8k exact_match, at least. aaaa: 0.5 of 0.4 asked for. Dashed: what is asked for.",
        "mmlu exact_match, at least. aaaa: none of 0.4 asked for. Dashed: what is asked for.",
    ]


@pytest.mark.parametrize(
    ("verdicts", "asked"),
    [
        ([("right answers lost, of a hundred, at most", 5.0)], 85.0),
        ([("right answers lost, of a hundred, at most", 5.0), ("right answers, of a hundred, at least", 88.0)], 88.0),
        ([("right answers lost, of a hundred, at most", 100.0)], 0.0),
        ([("goes on alike, of a hundred places, at least", 60.0)], None),
    ],
)
def test_what_is_asked_of_a_result(verdicts: list[tuple[str, float]], asked: float | None) -> None:
    data = {
        "original": {"right_percent": 90.0},
        "verdicts": [{"what": what, "measured": 1.0, "allowed": allowed} for what, allowed in verdicts],
    }
    one = Record(name="chat/x", kind="making", version="v", at="", passed=True, file="", data=data)
    assert asked_for(one) == asked


def test_a_load_test_stands_between_the_plan_and_the_plan_calibrated(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three = "min_replicas: 3, max_replicas: 3"
    stack = checkout / "Pulumi.onprem.yaml"
    ranged = stack.read_text(encoding="utf-8")
    stack.write_text(ranged.replace("min_replicas: 3, max_replicas: 6", three), encoding="utf-8")
    assert three in stack.read_text(encoding="utf-8")
    slow = {**record(33, 100, 500, at_once=24, output_tokens_per_second=700), "passed": True}
    keep(checkout, "onprem/chat/load", slow)
    # A newer one that says nothing of speed does not hide it.
    keep(checkout, "onprem/chat/load", {**record(99, 1, 5, requests=3), "at": "2026-11-27"}, "2026-11-27T000000Z")
    said = shown(capsys, "text", "onprem")
    each = next(line.split() for line in said.splitlines() if "Time per output token, ms" in line)
    assert each[-5:] == [f"{own().time_per_output_token_ms:.3g}", "29.7", "to", "39.6", "33"]
    first = next(line.split() for line in said.splitlines() if "First token, ms" in line)
    assert first[-6:] == ["100", "to", "500", "100", "to", "500"]
    tokens = next(line.split() for line in said.splitlines() if "Output tokens a second" in line)
    assert tokens[-3] == f"{3 * own().output_tokens_per_second:,.0f}"
    page = ElementTree.fromstring(shown(capsys, "html", "onprem"))
    text = " ".join(" ".join(page.itertext()).split())
    assert "chat/load: measured beside the plan measured, of 8 in 10 requests estimated estimated, calibrated" in text
    stack.write_text(ranged, encoding="utf-8")
    said = shown(capsys, "text", "onprem")
    assert 'how many replicas there were: `make calibrate ONLY=chat/load ARGS="--replicas N"`' in said
    assert "chat/load: measured, over versions" in shown(capsys, "html", "onprem")


def test_what_the_plan_says_by_itself_is_not_what_was_given_back_before() -> None:
    """A stack that was calibrated already: before is without that."""
    known = calibration(measured(record(50, 100, 500)))
    data = record(33, 100, 500)
    one = Record(name="chat/load", kind="load", version="v", at="", passed=True, file="", data=data)
    found = calibrated("chat/load", [one], model(known), 1)
    assert found.before.each_token_ms == (own().time_per_output_token_ms,) * 2
    assert found.after.each_token_ms == pytest.approx((33, 33))
    assert calibrated("chat/load", [one], None, 1).note == "the stack has no such model"


def test_what_was_told_of_each_line_is_beside_the_version(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    making = {"making": "chat/refresh", "version": "private", "at": "2026-11-26T09:20:00+00:00", "registered": False}
    measured_of = {"right_percent": 50.0, "cases": 4, "wrong": ["office", "captain"], "bytes": 1 << 20}
    figures: dict[str, Any] = {
        "figures": {},
        "original": measured_of,
        "result": measured_of,
        "taught": {"epsilon_spent": 7.9912},
    }
    figures["why"] = "an engine that says much " * 40
    keep(checkout, "dev/chat/refresh", {**making, **figures})
    page = " ".join(" ".join(ElementTree.fromstring(shown(capsys, "html")).itertext()).split())
    assert "1: original 2: private, epsilon 7.99, not kept" in page
    assert "chat/refresh private 2026-11-26 09:20 1 1 50 50 - - 7.9912 no: an engine" in page
    assert page.count("an engine that says much") == 4
