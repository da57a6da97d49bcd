"""Trials that a tool runs: what the real tools have left (recorded whole, or shortened) is judged like our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.trials.config import GuideLlm, LmEvaluationHarness, Unusable
from serving.trials.results import guidellm_outcome, harness_outcome
from tests.serving.gateway_process import ROOT

RECORDED = Path(__file__).parent / "recorded"
# Five questions of a task file of one's own, asked of the model of the dev stack.
HARNESS = json.loads((RECORDED / "lm-eval-0.4.13.json").read_text(encoding="utf-8"))
# Ten seconds at two requests a second, on a machine that could not keep up. Without the figures of single requests.
GUIDELLM = json.loads((RECORDED / "guidellm-0.8.1.json").read_text(encoding="utf-8"))
LOAD = {"kind": "guidellm", "seconds": 10, "requests_per_second": 2, "input_tokens": 40, "output_tokens": 8}


def judged(folder: Path, trial: dict[str, Any], left: Any, **changes: Any) -> tuple[int, Any, str]:
    """The program's status, its record (None where there is none) and what it said."""
    results = folder / "results"
    results.mkdir(exist_ok=True)
    if left is not None:
        (results / "results_2026-11-26.json").write_text(left if isinstance(left, str) else json.dumps(left))
    told = {"url": "http://gateway", "model": "chat", "key_file": "/nowhere", "trial": trial, "results": str(results)}
    (folder / "trial.json").write_text(json.dumps({**told, "about": {"version": "abc"}, **changes}))
    ran = subprocess.run(
        [sys.executable, "-m", "serving.trials", str(folder / "trial.json")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "serving_image")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, json.loads(ran.stdout) if ran.stdout else None, ran.stderr


def harness(**tasks: dict[str, float]) -> dict[str, Any]:
    return {"kind": "lm_evaluation_harness", "tasks": tasks}


def test_what_the_harness_has_left_is_a_record(tmp_path: Path) -> None:
    status, record, _ = judged(tmp_path, harness(capitals={"exact_match": 0.6}), HARNESS)
    assert (status, record["passed"], record["kind"]) == (0, True, "lm_evaluation_harness")
    assert record["verdicts"] == [
        {"what": "capitals exact_match, at least", "measured": 1.0, "allowed": 0.6, "kept": True}
    ]
    assert record["figures"] == {"capitals exact_match": 1.0, "questions": 5.0}
    assert record["about"] == {"version": "abc", "tool": "lm_eval 0.4.13"}


def test_a_figure_below_its_bound_or_that_is_not_there_is_a_miss(tmp_path: Path) -> None:
    left = json.loads(json.dumps(HARNESS))
    left["results"]["capitals"]["exact_match,first-word"] = 0.59
    tasks = harness(capitals={"exact_match": 0.6, "exact_match,other": 0.1}, unasked={"acc": 0.1})
    status, record, _ = judged(tmp_path, tasks, left)
    assert (status, record["passed"]) == (1, False)
    found = [(one["measured"], one["kept"]) for one in record["verdicts"]]
    assert found == [(0.59, False), (None, False), (None, False)]


@pytest.mark.parametrize(("metric", "expected"), [("m", 0.2), ("m,strict-match", 0.9), ("m,flexible", 0.2)])
def test_of_several_filters_the_worst_counts_unless_one_is_named(metric: str, expected: float) -> None:
    figures = {"m,strict-match": 0.9, "m,flexible": 0.2, "m_stderr,flexible": 0.01, "alias": "m", "m,none": "N/A"}
    trial = LmEvaluationHarness(tasks={"t": {metric: 0.5}})
    outcome, _ = harness_outcome(trial, {**HARNESS, "results": {"t": figures}}, "chat")
    assert outcome.verdicts[0].measured == expected


def test_results_of_another_model_or_none_are_no_record(tmp_path: Path) -> None:
    trial = harness(capitals={"exact_match": 0.6})
    for left, says, changes in (
        (HARNESS, "another model", {"model": "other"}),
        ("{", "no results", {}),
        ("[]", "Expected `object`", {}),
        ({**HARNESS, "results": []}, "not the harness's", {}),
    ):
        status, record, said = judged(tmp_path, trial, left, **changes)
        assert (status, record) == (2, None)
        assert says in said
    (tmp_path / "empty").mkdir()
    assert "no results" in judged(tmp_path, trial, None, results=str(tmp_path / "empty"))[2]
    assert "no folder of results" in judged(tmp_path, trial, HARNESS, results=None)[2]


def test_the_most_bounds_fit_into_a_termination_message(tmp_path: Path) -> None:
    tasks = {f"{'long-name-' * 4}{number:08}"[:48]: {f"{'m' * 24},{'f' * 22}{number:02}": 0.5} for number in range(12)}
    results = {task: dict.fromkeys(bounds, 0.1234) for task, bounds in tasks.items()}
    _, record, _ = judged(tmp_path, harness(**tasks), {**HARNESS, "results": results})
    assert len(record["verdicts"]) == 12
    # Kubernetes keeps no more of one.
    assert len(json.dumps(record, separators=(",", ":"))) <= 4096


def test_what_guidellm_measured_is_a_load_like_ours(tmp_path: Path) -> None:
    bounds = {"time_to_first_token_seconds": 3, "time_per_output_token_milliseconds": 1000}
    status, record, _ = judged(tmp_path, {**LOAD, **bounds}, GUIDELLM)
    assert (status, record["kind"], record["passed"]) == (1, "load", False)
    measured = GUIDELLM["benchmarks"][0]["metrics"]["time_to_first_token_ms"]["successful"]
    assert record["curves"]["time_to_first_token_seconds"]["95"] == round(measured["percentiles"]["p95"] / 1000, 4)
    assert list(record["curves"]["request_seconds"]) == ["0", "1", "5", "10", "25", "50", "75", "90", "95", "99", "100"]
    figures = record["figures"]
    assert (figures["requests"], figures["errors_percent"]) == (25, 0)
    assert figures["output_tokens"] == GUIDELLM["benchmarks"][0]["metrics"]["output_token_count"]["successful"]["mean"]
    assert {one["what"]: one["kept"] for one in record["verdicts"]} == {
        "failed requests, percent": True,
        "time to first token, seconds, of 95 %": False,
        "time per output token, milliseconds, of 95 %": True,
    }
    assert record["errors"] == {"not ended when the time was over": 18}
    assert record["about"]["tool"] == "guidellm 0.8.1"


def test_failures_are_held_to_their_share_and_an_uncounted_percentile_to_the_next() -> None:
    left = json.loads(json.dumps(GUIDELLM))
    left["benchmarks"][0]["metrics"]["request_totals"]["errored"] = 5
    trial = GuideLlm(
        seconds=10,
        input_tokens=40,
        output_tokens=8,
        concurrent_users=1,
        percentile=93,
        at_most_errors_percent=10,
        time_to_first_token_seconds=100,
    )
    outcome, _ = guidellm_outcome(trial, left, "chat")
    assert [(one.what, one.kept) for one in outcome.verdicts] == [
        ("failed requests, percent", False),
        ("time to first token, seconds, of 95 %", True),
    ]
    assert outcome.figures["errors_percent"] == pytest.approx(100 * 5 / 30, abs=0.001)


def test_where_nothing_was_whole_nothing_is_kept() -> None:
    left = json.loads(json.dumps(GUIDELLM))
    left["benchmarks"][0]["metrics"]["request_totals"] |= {"successful": 0, "incomplete": 43}
    trial = GuideLlm(seconds=10, input_tokens=40, output_tokens=8, concurrent_users=1, time_to_first_token_seconds=100)
    outcome, _ = guidellm_outcome(trial, left, "chat")
    assert [(one.measured, one.kept) for one in outcome.verdicts] == [(100.0, False), (None, False)]


@pytest.mark.parametrize("broken", [{}, {**GUIDELLM, "benchmarks": []}, {**GUIDELLM, "metadata": {}}])
def test_what_is_not_guidellms_is_refused(broken: dict[str, Any]) -> None:
    trial = GuideLlm(seconds=10, input_tokens=40, output_tokens=8, concurrent_users=1)
    with pytest.raises(Unusable, match="not GuideLLM's"):
        guidellm_outcome(trial, broken, "chat")
    with pytest.raises(Unusable, match="another model"):
        guidellm_outcome(trial, GUIDELLM, "other")
