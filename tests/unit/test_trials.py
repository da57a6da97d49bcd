"""Trials in a plan, and their records as a person reads them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.load import load_file
from infra.plan.build import build_plan
from infra.report import FORMATS
from serving.trials.config import TrialConfig
from tests.manifests import ROOT
from tools import records
from tools.trials.picture import picture
from tools.trials.records import keep, previous, written

PLAN = build_plan(load_file(ROOT / "tests" / "config" / "trials.happy.yaml"), "case")
RECORD: dict[str, Any] = {
    "kind": "load",
    "model": "chat",
    "at": "2026-11-26T05:00:00+00:00",
    "about": {"stack": "case", "trial": "chat/load", "engine": "llama_cpp", "version": "aaaa"},
    "figures": {
        "requests": 10,
        "seconds": 15.0,
        "requests_per_second": 0.6,
        "output_tokens_per_second": 24.0,
        "errors_percent": 10.0,
    },
    "curves": {
        "time_to_first_token_seconds": {"0": 0.1, "50": 0.5, "95": 2.0, "100": 2.5},
        "time_per_output_token_milliseconds": {"0": 20, "50": 30, "95": 50, "100": 60},
    },
    "errors": {"503 model_unavailable": 1},
    "wrong": [],
    "verdicts": [
        {"what": "failed requests, percent", "measured": 10.0, "allowed": 0, "kept": False},
        {"what": "time to first token, seconds, of 95 %", "measured": None, "allowed": 1.5, "kept": False},
    ],
    "passed": False,
}
ESTIMATE = {
    "requests_per_second": 2.5,
    "time_to_first_token_ms_low": 100,
    "time_to_first_token_ms_high": 300,
    "time_per_output_token_ms": 25.0,
}


def test_what_is_unset_is_the_objectives() -> None:
    assert PLAN.trials["chat/load"].trial == {
        "kind": "load",
        "seconds": 60.0,
        "concurrent_users": 2,
        "input_tokens": 300,
        "output_tokens": 30,
        "percentile": 95.0,
        "at_most_errors_percent": 0.0,
        "time_to_first_token_seconds": 2,
        "time_per_output_token_milliseconds": 80,
    }
    own = PLAN.trials["small/load"].trial
    assert (own["requests_per_second"], own["input_tokens"], own["output_tokens"], own["percentile"]) == (2, 50, 5, 99)
    assert "concurrent_users" not in own
    # As an objective has it that does not say.
    usual = PLAN.trials["users/load"].trial
    assert (usual["concurrent_users"], usual["input_tokens"], usual["output_tokens"]) == (3, 1000, 250)
    assert [trial.client for trial in PLAN.trials.values()] == ["tester", "web", "tester", "web", "replayer", "web"]


@pytest.mark.parametrize("name", PLAN.trials)
def test_whoever_runs_it_understands_what_it_is_told(name: str) -> None:
    told = {"url": "http://127.0.0.1:1", "model": "chat", "key_file": "/key", "trial": PLAN.trials[name].trial}
    config = msgspec.json.decode(msgspec.json.encode(told), type=TrialConfig)
    understood = msgspec.to_builtins(config.trial)
    assert {field: understood[field] for field in PLAN.trials[name].trial if field != "cases"} == {
        field: value for field, value in PLAN.trials[name].trial.items() if field != "cases"
    }
    assert list(understood.get("cases", ())) == list(PLAN.trials[name].trial.get("cases", ()))


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_a_reader_is_told(form: str) -> None:
    report = FORMATS[form](PLAN)
    assert "75 % of 2 answers right" in report
    assert "first token within 2 s for 95 %; a token every 80 ms for 95 %" in report


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    monkeypatch.setattr("tools.trials.records.ROOT", tmp_path)
    return tmp_path


def test_a_record_is_kept_for_its_owner_with_the_plans_estimate(folder: Path) -> None:
    kept = keep("case", "chat/load", RECORD, ESTIMATE)
    assert kept.file == folder / "case" / "chat" / "load" / "2026-11-26T050000Z.json"
    assert kept.file.stat().st_mode & 0o777 == 0o600
    kept.picture.write_text("", encoding="utf-8")
    said = written("chat/load", kept, None)
    assert said.splitlines()[0] == "chat/load: NOT PASSED"
    assert "10 requests in 15 s, 0.6 whole answers/s, 24 tokens/s" in said
    assert "time to first token, seconds, of 95 %  nothing   1.5      MISSED" in said
    assert "1 × 503 model_unavailable" in said
    assert "estimate of one replica: 2.5 requests/s, first token 100 to 300 ms, 25.0 ms/token" in said
    assert said.endswith("picture: case/chat/load/2026-11-26T050000Z.svg")


def test_it_is_compared_with_what_served_before(folder: Path) -> None:
    assert previous("case", "chat/load", "aaaa") is None
    keep("case", "chat/load", RECORD, None)
    assert previous("case", "chat/load", "aaaa") is None
    newer = {**RECORD, "at": "2026-11-27T05:00:00+00:00", "about": {**RECORD["about"], "version": "bbbb"}}
    before = previous("case", "chat/load", "bbbb")
    assert before is not None
    kept = keep("case", "chat/load", {**newer, "figures": {**RECORD["figures"], "requests_per_second": 0.9}}, None)
    assert "against version aaaa: requests/s 0.6 → 0.9; tokens/s 24 → 24" in written("chat/load", kept, before)


def test_the_picture_has_both_times_the_bound_and_the_estimate() -> None:
    drawn = picture({**RECORD, "estimate": ESTIMATE})
    root = ElementTree.fromstring(drawn)
    kinds = [element.get("class") for element in root.iter()]
    assert kinds.count("measured") == kinds.count("band") == 2
    assert kinds.count("bound") == 1
    assert kinds.count("dot") == 8
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for dot in (element for element in root.iter() if element.get("class") == "dot"):
        assert 0 < float(dot.get("cx", -1)) < width
        assert 0 < float(dot.get("cy", -1)) < height
    assert "objective 1,500" in drawn
    assert picture({**RECORD, "estimate": None}).count('class="band"') == 0


def test_the_picture_has_what_came_and_was_answered_over_time() -> None:
    course = {"arrivals": [3, 0, 4, 3], "answers": [0, 1, 5, 3]}
    drawn = picture({**RECORD, "estimate": None, "course": course})
    root = ElementTree.fromstring(drawn)
    bars = [float(one.get("height", -1)) for one in root.iter() if one.get("class") == "came"]
    assert [bar / bars[2] for bar in bars] == pytest.approx([0.75, 0, 1, 0.75], abs=0.01)
    (line,) = (one.get("points", "") for one in root.iter() if one.get("class") == "answered")
    heights = [float(point.split(",")[1]) for point in line.split()]
    assert sorted(heights, reverse=True) == [heights[0], heights[1], heights[3], heights[2]]
    width = float(root.get("width", 0))
    assert all(0 < float(point.split(",")[0]) < width for point in line.split())
    assert 'class="came"' not in picture({**RECORD, "estimate": None})


def test_what_was_replayed_and_how_late_it_was_sent_is_told(folder: Path) -> None:
    about = {**RECORD["about"], "recorded": "774 requests of somebody"}
    late = {**RECORD["curves"], "sent_late_seconds": {"95": 0.002, "100": 0.5}}
    said = written("chat/load", keep("case", "chat/load", {**RECORD, "about": about, "curves": late}, None), None)
    assert "replayed: 774 requests of somebody" in said
    assert "sent late by 0.002 s at most for 95 % of them, by 0.5 s at worst" in said
