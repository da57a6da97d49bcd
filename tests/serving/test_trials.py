"""Trials, as a program against a real gateway: right answers are counted, loads are put and measured, bounds bite."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.trials.record import counts, curve, percentile
from tests.serving.answering import TOKENS_AROUND, TOKENS_PER_WORD, Answering, answering
from tests.serving.gateway_process import (
    KEY,
    LIMITED_KEY,
    ROOT,
    GatewayProcess,
    configuration,
    free_port,
    start_gateway,
)

FACTS = {
    "kind": "prompts",
    "at_least_percent": 100,
    "cases": {
        "capital": {"prompt": "Tell me the capital of France.", "contains": ["paris", "CAPITAL"]},
        "shape": {"prompt": "Tell me the capital of France.", "matches": r"is [A-Z]\w+\.", "max_tokens": 32},
    },
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Answering]:
    with answering() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(engine: Answering, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    config = configuration(engine.url, folder, first_byte_seconds=20, stream_idle_seconds=20)
    for client in config["clients"].values():
        client["models"] = ["ok"]
    config["models"] = {"ok": {**config["models"]["ok"], "context_tokens": 4096, "max_output_tokens": 1024}}
    with start_gateway(folder, config) as running:
        yield running


@pytest.fixture(autouse=True)
def as_it_was(engine: Answering) -> Iterator[None]:
    yield
    engine.pause_seconds = engine.between_seconds = 0.0
    engine.broken = False
    engine.prompts.clear()
    engine.longest.clear()


def tried(folder: Path, gateway: GatewayProcess, trial: dict[str, Any], **changes: Any) -> tuple[int, Any, str]:
    """The program's status, its record (None where there is none) and what it said."""
    key_file, config, record = folder / "key", folder / "trial.json", folder / "record.json"
    key_file.write_text(changes.pop("key", KEY) + "\n")
    told = {
        "url": f"http://127.0.0.1:{gateway.port}",
        "model": "ok",
        "key_file": str(key_file),
        "trial": trial,
        "about": {"version": "abc"},
        **changes,
    }
    config.write_text(json.dumps(told))
    record.unlink(missing_ok=True)
    ran = subprocess.run(
        [sys.executable, "-m", "serving.trials", str(config), "--record", str(record)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "serving_image")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    found = json.loads(record.read_text()) if record.exists() else None
    assert found is None or json.loads(ran.stdout) == found
    assert key_file.read_text().strip() not in ran.stdout + ran.stderr
    return ran.returncode, found, ran.stderr


def test_right_answers_are_counted(gateway: GatewayProcess, tmp_path: Path) -> None:
    status, record, said = tried(tmp_path, gateway, FACTS)
    assert (status, record["passed"], record["wrong"], record["errors"]) == (0, True, [], {})
    assert record["figures"] == {"cases": 2, "right_percent": 100}
    assert (record["kind"], record["model"], record["about"]) == ("prompts", "ok", {"version": "abc"})
    assert "2 of 2 cases answered" in said


def test_wrong_answers_are_named_and_bite(gateway: GatewayProcess, tmp_path: Path) -> None:
    cases = {
        **FACTS["cases"],
        "both": {"prompt": "Tell me the capital of France.", "contains": ["Paris", "Berlin"]},
        "form": {"prompt": "Tell me the capital of France.", "contains": ["Paris"], "matches": "^Paris"},
    }
    status, record, _ = tried(tmp_path, gateway, {**FACTS, "cases": cases})
    assert (status, record["passed"], record["wrong"]) == (1, False, ["both", "form"])
    assert record["verdicts"] == [
        {"what": "right answers, percent, at least", "measured": 50, "allowed": 100, "kept": False}
    ]
    status, record, _ = tried(tmp_path, gateway, {**FACTS, "cases": cases, "at_least_percent": 50})
    assert (status, record["passed"]) == (0, True)


def test_a_record_fits_into_a_termination_message(gateway: GatewayProcess, tmp_path: Path) -> None:
    cases = {f"{'long-name-' * 6}{number:02}": {"prompt": "France", "contains": ["Berlin"]} for number in range(70)}
    status, record, _ = tried(tmp_path, gateway, {**FACTS, "cases": cases})
    assert (status, len(record["wrong"]), record["wrong"][-1]) == (1, 21, "and 50 more")
    assert record["wrong"][0] == next(iter(cases))
    # Kubernetes keeps no more of one.
    assert len((tmp_path / "record.json").read_bytes()) <= 4096


def test_an_answer_that_is_broken_off_is_wrong(gateway: GatewayProcess, engine: Answering, tmp_path: Path) -> None:
    engine.broken = True
    status, record, _ = tried(
        tmp_path, gateway, {**FACTS, "cases": {"half": {"prompt": "France", "contains": ["The"]}}}
    )
    assert (status, record["wrong"], sum(record["errors"].values())) == (1, ["half"], 1)


def test_a_rate_is_kept_and_prompts_are_as_long_as_asked(
    gateway: GatewayProcess, engine: Answering, tmp_path: Path
) -> None:
    load = {"kind": "load", "seconds": 4, "requests_per_second": 15, "input_tokens": 205, "output_tokens": 12}
    status, record, _ = tried(tmp_path, gateway, load)
    figures = record["figures"]
    assert (status, record["passed"], record["errors"]) == (0, True, {})
    # The same chances with the same seed: how many come in four seconds is no matter of speed.
    assert figures["requests"] == len(engine.prompts) - 2
    assert 30 <= figures["requests"] <= 90
    assert (figures["input_tokens"], figures["output_tokens"]) == (205, 12)
    asked = engine.prompts[2:]
    assert {len(prompt.split()) for prompt in asked} == {(205 - TOKENS_AROUND) // TOKENS_PER_WORD}
    assert set(engine.longest[2:]) == {12}
    # None has the beginning of another: no cache of prefixes can help.
    assert len({" ".join(prompt.split()[:8]) for prompt in asked}) == len(asked)


def test_requests_come_whether_or_not_earlier_ones_have_ended(
    gateway: GatewayProcess, engine: Answering, tmp_path: Path
) -> None:
    engine.pause_seconds = 3.0
    load = {"kind": "load", "seconds": 4, "requests_per_second": 10, "input_tokens": 20, "output_tokens": 2}
    _, record, _ = tried(tmp_path, gateway, load)
    # One after another it would have been two.
    assert record["figures"]["requests"] >= 20
    assert record["curves"]["time_to_first_token_seconds"]["0"] >= 3.0
    assert record["figures"]["seconds"] >= 4


def test_a_trace_is_replayed_at_its_moments_and_lengths(
    gateway: GatewayProcess, engine: Answering, tmp_path: Path
) -> None:
    engine.pause_seconds = 2.0
    arrivals = [(0, 25, 3), (0, 45, 5), (500, 105, 2), (3000, 205, 12)]
    trace = {
        "kind": "trace",
        "seconds": 4,
        "arrivals": ",".join(" ".join(map(str, one)) for one in arrivals),
        "recorded": "4 requests of mine",
    }
    bound = {"time_to_first_token_seconds": 0.5, "time_per_output_token_milliseconds": 60_000}
    status, record, _ = tried(tmp_path, gateway, {**trace, **bound})
    asked = sorted(zip(map(len, map(str.split, engine.prompts[2:])), engine.longest[2:], strict=True))
    assert asked == sorted(((tokens - TOKENS_AROUND) // TOKENS_PER_WORD, most) for _, tokens, most in arrivals)
    figures, curves = record["figures"], record["curves"]
    assert (record["kind"], figures["requests"], record["errors"]) == ("load", 4, {})
    assert (figures["input_tokens"], figures["output_tokens"]) == (95, 5.5)
    assert figures["seconds"] >= 5
    assert [verdict["kept"] for verdict in record["verdicts"]] == [True, False, True]
    assert status == 1
    # Never before its moment, and how late the sender was is told.
    assert curves["sent_late_seconds"]["0"] >= 0
    course, part = record["course"], figures["seconds"] / 30
    assert (sum(course["arrivals"]), sum(course["answers"])) == (4, 4)
    # Three come before any is answered, the last one not before its moment (`seconds` is rounded: not to the edge).
    assert sum(course["arrivals"][: int(1.9 / part)]) == sum(course["arrivals"][: int(2.8 / part)]) == 3
    assert sum(course["answers"][: int(1.9 / part)]) == 0
    assert len((tmp_path / "record.json").read_bytes()) <= 4096


def test_users_ask_again_when_they_are_answered(gateway: GatewayProcess, engine: Answering, tmp_path: Path) -> None:
    engine.pause_seconds = 0.5
    load = {"kind": "load", "seconds": 3, "concurrent_users": 2, "input_tokens": 20, "output_tokens": 2}
    _, record, _ = tried(tmp_path, gateway, load)
    # Each of the two at most once in half a second, and once more at the end.
    assert 2 <= record["figures"]["requests"] <= 14


def test_times_are_measured_and_judged(gateway: GatewayProcess, engine: Answering, tmp_path: Path) -> None:
    engine.pause_seconds, engine.between_seconds = 0.4, 0.15
    load = {"kind": "load", "seconds": 2, "concurrent_users": 2, "input_tokens": 20, "output_tokens": 4}
    bounds = {"time_to_first_token_seconds": 0.2, "time_per_output_token_milliseconds": 60_000}
    status, record, _ = tried(tmp_path, gateway, {**load, **bounds})
    assert (status, record["passed"]) == (1, False)
    kept = {verdict["what"]: verdict["kept"] for verdict in record["verdicts"]}
    assert kept == {
        "failed requests, percent": True,
        "time to first token, seconds, of 95 %": False,
        "time per output token, milliseconds, of 95 %": True,
    }
    first, between = (
        record["curves"]["time_to_first_token_seconds"],
        record["curves"]["time_per_output_token_milliseconds"],
    )
    assert list(first) == ["0", "10", "25", "50", "75", "90", "95", "99", "100"]
    assert 0.4 <= first["0"] <= first["50"] <= first["100"]
    # The first token may have been read late: what is left of the time until the last is then shorter.
    assert between["0"] >= 100
    status, record, _ = tried(tmp_path, gateway, {**load, "time_per_output_token_milliseconds": 50})
    assert (status, [verdict["kept"] for verdict in record["verdicts"]]) == (1, [True, False])


def test_a_refusal_is_a_failure_and_told_by_its_code(gateway: GatewayProcess, tmp_path: Path) -> None:
    load = {"kind": "load", "seconds": 6, "requests_per_second": 20, "input_tokens": 20, "output_tokens": 2}
    status, record, _ = tried(tmp_path, gateway, load, key=LIMITED_KEY)
    assert (status, record["passed"]) == (1, False)
    assert list(record["errors"]) == ["429 rate_limit_exceeded"]
    failed = record["figures"]["errors_percent"]
    assert failed == pytest.approx(
        100 * record["errors"]["429 rate_limit_exceeded"] / record["figures"]["requests"], abs=0.01
    )
    assert tried(tmp_path, gateway, {**load, "seconds": 1, "at_most_errors_percent": 100})[0] == 0


def test_where_nobody_answers_nothing_is_recorded(gateway: GatewayProcess, tmp_path: Path) -> None:
    load = {"kind": "load", "seconds": 1, "concurrent_users": 1, "input_tokens": 20, "output_tokens": 2}
    status, record, said = tried(tmp_path, gateway, load, key="sk-nobody")
    assert (status, record) == (2, None)
    assert "401 invalid_api_key" in said
    status, record, said = tried(tmp_path, gateway, load, url=f"http://127.0.0.1:{free_port()}")
    assert (status, record) == (2, None)
    assert "connection lost" in said


@pytest.mark.parametrize(
    ("trial", "says"),
    [
        ({**FACTS, "cases": {}}, "no case"),
        ({**FACTS, "cases": {"a": {"prompt": "x", "matches": "("}}}, "no regular expression"),
        ({**FACTS, "at_most": 1}, "unknown field"),
        ({"kind": "load", "seconds": 1, "input_tokens": 1, "output_tokens": 1}, "one of requests_per_second and"),
        ({"kind": "trace", "seconds": 1, "arrivals": ""}, "arrivals"),
        ({"kind": "trace", "seconds": 1, "arrivals": "0 1 1,5 x 1"}, "arrivals"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    gateway: GatewayProcess, tmp_path: Path, trial: dict[str, Any], says: str
) -> None:
    status, record, said = tried(tmp_path, gateway, trial)
    assert (status, record) == (2, None)
    assert says in said


def test_percentiles_are_of_the_sample() -> None:
    sample = [float(number) for number in range(1, 101)]
    assert [percentile(sample, percent) for percent in (0, 1, 50, 95, 99.5, 100)] == [1, 1, 50, 95, 100, 100]
    assert percentile([3.0], 95) == 3.0
    assert curve([]) == {}
    assert curve(list(reversed(sample)))["50"] == statistics.median_low(sample)
    assert counts([0.0, 0.05, 1.49, 3.0], 3.0) == [2, *[0] * 13, 1, *[0] * 14, 1]
