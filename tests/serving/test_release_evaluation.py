"""Releases whose candidate must answer questions: with a real gateway and a real judge, before any client gets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.serving.gateway_process import KEY
from tests.serving.test_release import RULES, SECONDS, Setting, setting
from tests.serving.upstream import Call

EVALUATION = "next/facts"
STEPS = len(RULES["steps"])


def told(found: Setting, contains: str = "w3", key: str | None = KEY) -> None:
    """What the judge is told: two questions, of which one wants that text (an engine of these tests says `w3`)."""
    key_file = found.folder / "key"
    if key is not None:
        key_file.write_text(key)
    cases: dict[str, dict[str, Any]] = {
        name: {"prompt": f"asked: {name}", "max_tokens": 16} for name in ("first", "second")
    }
    cases["first"]["contains"] = ["w2"]
    cases["second"]["contains"] = [contains]
    asks = {
        "url": f"http://127.0.0.1:{found.gateways[0].port}",
        "model": "next",
        "key_file": str(key_file),
        "trial": {"kind": "prompts", "at_least_percent": 100, "cases": cases},
        "about": {"trial": EVALUATION},
    }
    found.questions = found.folder / "questions.json"
    found.questions.write_text(json.dumps({"chat": asks}))


def asked(calls: list[Call]) -> list[Call]:
    return [call for call in calls if str(call.body["messages"][-1]["content"]).startswith("asked: ")]


def rewritten(found: Setting, **rules: Any) -> None:
    """What the judge reads next; gateways know nothing of it."""
    file = found.folder / "0" / "gateway.json"
    config = json.loads(file.read_text())
    config["models"]["chat"]["release"].update(rules)
    file.write_text(json.dumps(config))


def test_one_that_answers_wrongly_is_rolled_back_before_any_client_sees_it(tmp_path: Path) -> None:
    with setting(tmp_path, evaluation=EVALUATION) as found:
        told(found, contains="Paris")
        with found.judge() as judge:
            assert judge.wait(SECONDS) == 1
        state = found.state()
        assert state is not None
        assert (state.phase, state.step, state.percent) == ("rolled_back", -1, 0)
        assert "50 % of its answers to `next/facts` are right (at least 100 %); not right: second" in state.says
        assert state.evaluation is not None
        assert (state.evaluation.before_step, state.evaluation.right_percent) == (0, 50)
        assert len(asked(found.candidate.calls)) == 2 == len(found.candidate.calls)
        assert not asked(found.stable.calls)
    assert not found.unanswered


def test_a_good_one_is_asked_once_before_each_step_also_by_a_judge_that_is_started_again(tmp_path: Path) -> None:
    with setting(tmp_path, evaluation=EVALUATION, hold_seconds=3600) as found:
        told(found)
        with found.judge():
            found.wait("the first step", lambda: (state := found.state()) and state.step == 0)
            found.wait("first counts", lambda: (state := found.state()) and state.totals.candidate.answers)
        state = found.state()
        assert state is not None
        assert state.evaluation is not None
        assert (state.evaluation.before_step, state.evaluation.right_percent, state.evaluation.passed) == (0, 100, True)
        assert len(asked(found.candidate.calls)) == 2
        rewritten(found, hold_seconds=0.5)
        with found.judge() as judge:
            assert judge.wait(SECONDS) == 0
        assert len(asked(found.candidate.calls)) == 2 * STEPS
        state = found.state()
        assert state is not None
        steps = [entry.said for entry in state.log if entry.said.startswith(("40 %", "100 %"))]
        assert len(steps) == STEPS
        assert all("100 % of its answers to `next/facts` are right" in said for said in steps)
    assert not found.unanswered


def test_one_that_nobody_can_ask_waits_and_says_why(tmp_path: Path) -> None:
    with setting(tmp_path, evaluation=EVALUATION) as found:

        def says(text: str) -> bool:
            return (state := found.state()) is not None and text in state.says

        with found.judge():
            found.wait("nobody said what", lambda: says("nobody said what they are"))
        told(found, key=None)
        with found.judge() as judge:
            found.wait("no key", lambda: says("FileNotFoundError"))
            told(found, key="slw_nobodys")
            found.wait("a key that nobody knows", lambda: says("2 of 2 questions were not answered (2 × 401"))
            assert found.phase() == "running"
            assert not found.candidate.calls
            told(found)
            assert judge.wait(SECONDS) == 0
    assert not found.unanswered


def test_one_that_got_worse_is_rolled_back_before_the_next_step(tmp_path: Path) -> None:
    with setting(tmp_path, evaluation=EVALUATION, hold_seconds=3600) as found:
        told(found)
        with found.judge() as judge:
            found.wait("the first step", lambda: (state := found.state()) and state.step == 0)
            told(found, contains="Paris")
            rewritten(found, hold_seconds=0.5)
            assert judge.wait(SECONDS) == 1
        state = found.state()
        assert state is not None
        assert (state.phase, state.step, state.percent) == ("rolled_back", 0, 0)
        assert state.evaluation is not None
        assert state.evaluation.before_step == 1
    assert not found.unanswered
