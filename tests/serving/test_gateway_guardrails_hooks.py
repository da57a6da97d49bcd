"""Guardrail hooks: own classes and models that judge, failing closed or open; answers kept back until judged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.audit_files import rows, stop
from tests.serving.gateway_process import (
    GatewayProcess,
    raw_request,
    read_to_end,
    read_until,
    start_gateway,
    wait_until,
)
from tests.serving.guarded import (
    CANARY,
    HOOK,
    POLICY,
    Judge,
    ask,
    guarded_configuration,
    judging,
    key_of,
    outcome,
    said,
    user,
)
from tests.serving.upstream import FakeEngine

REFUSED = (400, "guardrail_refused")
UNAVAILABLE = (503, "guardrail_unavailable")


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def judge() -> Iterator[str]:
    with judging() as url:
        yield url


@pytest.fixture(scope="module")
def configured(engine: FakeEngine, judge: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("hooks")
    (folder / "guard_rules.py").write_text(HOOK)
    (folder / "judge.key").write_text("judge-key-canary\n")
    python = {
        "kind": "python",
        "implementation": "guard_rules:Rules",
        "folder": str(folder),
        "timeout_milliseconds": 300,
    }
    openai = {"kind": "moderation", "url": f"{judge}/v1/moderations", "timeout_milliseconds": 400}
    llama = {**openai, "url": f"{judge}/v1/chat/completions", "style": "chat", "model": "llama-guard"}
    lax = {"on_failure": "pass"}
    sets: dict[str, Any] = {
        "own": {"before": {"own": python}, "after": {"own": python}},
        "ownopen": {"before": {"own": {**python, **lax}}, "after": {"own": {**python, **lax}}},
        "openai": {"before": {"judge": {**openai, "key_file": str(folder / "judge.key"), "model": "omni"}}},
        "openaiopen": {"before": {"judge": {**openai, **lax}}},
        "violence": {"before": {"judge": {**openai, "categories": ["violence"]}}},
        "hate": {"before": {"judge": {**openai, "categories": ["hate"]}}},
        "misspelt": {"before": {"judge": {**openai, "categories": ["violense"]}}},
        "llama": {"before": {"guard": llama}},
        "s10": {"before": {"guard": {**llama, "categories": ["S10"]}}},
        "s2": {"before": {"guard": {**llama, "categories": ["S2"]}}},
        "llamaafter": {"after": {"guard": llama}},
        "away": {"before": {"judge": {**openai, "url": "http://127.0.0.1:9/v1/moderations"}}},
        "both": {"before": {"own": python, "judge": openai}},
        "held": {"deny_answer_patterns": {"word": "forbidden [0-9]{3}"}},
        "patient": {place: {"own": {**python, "timeout_milliseconds": 5_000}} for place in ("before", "after")},
        "small": {"after": {"own": python}, "largest_answer_bytes": 3_000},
        "alive": {"after": {"own": python}, "keep_alive_seconds": 0.1},
    }
    privacy = {"mode": "tokenise"}
    config = guarded_configuration(
        engine.url,
        folder,
        sets,
        private={"guardrails": "openai", "privacy": privacy, "system_policy": POLICY},
        privateafter={"guardrails": "llamaafter", "privacy": privacy},
        metered={"guardrails": "own", "tokens_per_minute": 1000},
    )
    config["models"]["long"]["price"] = {
        "input_dollars_per_million_tokens": 0,
        "output_dollars_per_million_tokens": 1,
    }
    config["telemetry"] = {"clients": 100}
    config["audit"] = {"folder": str(folder / "audit")}
    return folder, config


@pytest.fixture(scope="module")
def gateway(configured: tuple[Path, dict[str, Any]]) -> Iterator[GatewayProcess]:
    folder, config = configured
    with start_gateway(folder, config, "--accept-seconds", "0") as running:
        yield running
        assert stop(running) == 0


def decided(gateway: GatewayProcess, client: str, rule: str, decision: str) -> float:
    labels = f'client="{client}",decision="{decision}",model="echo",rule="{rule}"'
    return gateway.metric(f"slipway_gateway_guardrail_decisions_total{{{labels}}}")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("place", ["A", "B"])
def test_an_own_class_before_and_after(gateway: GatewayProcess, engine: FakeEngine, place: str, stream: bool) -> None:
    assert said(ask(gateway, "own", user("a fine day", stream=stream))) == "a fine day"
    for word, expected in (
        ("BAD", REFUSED),
        ("ODD", REFUSED),
        ("SLOW", UNAVAILABLE),
        ("RAISE", UNAVAILABLE),
        ("TYPE", UNAVAILABLE),
        ("CANCEL", UNAVAILABLE),
    ):
        calls = len(engine.calls)
        text = f"{CANARY} {place}-{word} and more"
        began = time.monotonic()
        answer = ask(gateway, "own", user(text, stream=stream))
        assert outcome(answer) == expected, word
        assert time.monotonic() - began < 3
        assert CANARY.encode() not in answer.body
        assert answer.error["message"].startswith(
            "gateway: " if expected == UNAVAILABLE else "body: " if place == "B" else "answer: "
        )
        assert len(engine.calls) - calls == (place == "A"), "before: no engine is asked; after: once"
        if word in ("BAD", "ODD"):
            assert outcome(ask(gateway, "ownopen", user(text, stream=stream))) == REFUSED
        else:
            assert said(ask(gateway, "ownopen", user(text, stream=stream))) == text


def test_decisions_are_in_audit_and_metric_and_texts_nowhere(
    gateway: GatewayProcess, configured: tuple[Path, dict[str, Any]]
) -> None:
    folder = configured[0] / "audit"
    refused, failed = (decided(gateway, "own", "python:own", how) for how in ("refused", "refused_on_failure"))
    passed = decided(gateway, "ownopen", "python:own", "passed_on_failure")
    asked = (("own", "B-BAD"), ("own", "A-BAD"), ("own", "B-ODD"), ("own", "B-RAISE"), ("ownopen", "A-TYPE"))
    ids = [ask(gateway, client, user(f"{CANARY} {word}")).headers["x-request-id"] for client, word in asked]
    assert decided(gateway, "own", "python:own", "refused") == refused + 3
    assert decided(gateway, "own", "python:own", "refused_on_failure") == failed + 1
    assert decided(gateway, "ownopen", "python:own", "passed_on_failure") == passed + 1
    wait_until("their rows", lambda: {row["request_id"] for row in rows(folder)} >= set(ids))
    by_id = {row["request_id"]: row for row in rows(folder)}
    found = [by_id[one] for one in ids]
    assert [row["decisions"] for row in found] == [
        ["guardrail:python:own:names/person"],
        ["guardrail:python:own:names/person"],
        ["guardrail:python:own"],
        ["guardrail:python:own:refused_on_failure"],
        ["guardrail:python:own:passed_on_failure"],
    ]
    assert [row["reason"] for row in found] == [*["guardrail_refused"] * 3, "guardrail_unavailable", None]
    wait_until("both failures in the log", lambda: _failures(gateway) >= {"ValueError", "TypeError"})
    lines = gateway.log()
    assert CANARY not in json.dumps(lines)
    assert CANARY.encode() not in b"".join(file.read_bytes() for file in folder.iterdir())


def _failures(gateway: GatewayProcess) -> set[str]:
    return {line["error"] for line in gateway.log() if line.get("logger") == "guardrail.own"}


def test_openais_moderation(gateway: GatewayProcess) -> None:
    assert said(ask(gateway, "openai", user("fine"))) == "fine"
    assert Judge.asked[-1] == {"model": "omni", "input": "fine"}
    assert Judge.keys[-1] == "Bearer judge-key-canary"
    assert outcome(ask(gateway, "openai", user("J-BAD"))) == REFUSED
    assert outcome(ask(gateway, "openai", {"model": "embed", "input": ["fine", "J-BAD"]}, "/v1/embeddings")) == REFUSED
    assert outcome(ask(gateway, "openai", {"model": "ok", "prompt": "J-BAD"}, "/v1/completions")) == REFUSED
    assert outcome(ask(gateway, "violence", user("J-BAD"))) == REFUSED
    assert ask(gateway, "hate", user("J-BAD")).status == 200, "only its categories count"
    assert outcome(ask(gateway, "misspelt", user("fine"))) == UNAVAILABLE, "a category that is not there judges nothing"


def test_llama_guard(gateway: GatewayProcess) -> None:
    assert said(ask(gateway, "llama", user("fine"))) == "fine"
    assert Judge.asked[-1]["messages"] == [{"role": "user", "content": "fine"}]
    assert (Judge.asked[-1]["model"], Judge.asked[-1]["temperature"]) == ("llama-guard", 0)
    assert outcome(ask(gateway, "llama", user("J-BAD"))) == REFUSED
    assert outcome(ask(gateway, "s10", user("J-BAD"))) == REFUSED
    assert ask(gateway, "s2", user("J-BAD")).status == 200
    assert outcome(ask(gateway, "llama", user("J-CHATTY"))) == UNAVAILABLE
    # The fake engine answers `hi`, which the judge is to see as the assistant's.
    assert ask(gateway, "llamaafter", user("J-BAD", "ok")).status == 200
    assert Judge.asked[-1]["messages"] == [
        {"role": "user", "content": "J-BAD"},
        {"role": "assistant", "content": "hi\nhi"},
    ]
    for stream in (False, True):
        assert outcome(ask(gateway, "llamaafter", user("J-BAD", stream=stream))) == REFUSED


@pytest.mark.parametrize("word", ["SLOW", "FAIL", "MOVED", "EMPTY", "HUGE", "NONSENSE"])
@pytest.mark.parametrize("client", ["openai", "llama"])
def test_a_judge_that_fails_lets_nothing_through(gateway: GatewayProcess, client: str, word: str) -> None:
    began = time.monotonic()
    answer = ask(gateway, client, user(f"J-{word}"))
    assert outcome(answer) == UNAVAILABLE
    assert answer.headers["retry-after"] == "2"
    assert time.monotonic() - began < 1.2
    if client == "openai":
        assert said(ask(gateway, "openaiopen", user(f"J-{word}"))) == f"J-{word}"


def test_a_judge_that_is_away_lets_nothing_through(gateway: GatewayProcess) -> None:
    assert outcome(ask(gateway, "away", user("fine"))) == UNAVAILABLE


def test_hooks_are_asked_in_order_until_one_refuses(gateway: GatewayProcess) -> None:
    asked = len(Judge.asked)
    assert outcome(ask(gateway, "both", user("B-BAD J-BAD"))) == REFUSED
    assert len(Judge.asked) == asked
    assert outcome(ask(gateway, "both", user("J-BAD"))) == REFUSED
    assert len(Judge.asked) == asked + 1


def test_a_judge_gets_no_more_than_the_model(gateway: GatewayProcess, engine: FakeEngine) -> None:
    text = "write to ada@example.org"
    assert said(ask(gateway, "private", user(text))) != text  # the echo says the policy too
    assert "ada@example.org" not in json.dumps(Judge.asked[-1])
    assert "EMAIL" in json.dumps(Judge.asked[-1])
    assert POLICY not in json.dumps(Judge.asked[-1])
    assert POLICY in json.dumps(engine.calls[-1].body)
    for stream in (False, True):
        assert said(ask(gateway, "privateafter", user(text, stream=stream))) == text, "restored after it was judged"
        assert "ada@example.org" not in json.dumps(Judge.asked[-1])
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a": "J-BAD"}'}}
    media = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400}}]
    messages = [{"role": "assistant", "tool_calls": [call]}, {"role": "user", "content": media}]
    assert outcome(ask(gateway, "openai", {"model": "ok", "messages": messages})) == REFUSED
    assert "AAAA" not in Judge.asked[-1]["input"]
    assert "user" not in Judge.asked[-1]["input"]


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_refused_is_not_half_told(gateway: GatewayProcess, engine: FakeEngine, stream: bool) -> None:
    """The echo comes three characters an event: no event has the words, and the first ones are harmless."""
    text = f"{CANARY} said forbidden 123 things"
    for model in ("echo", "echotool"):
        answer = ask(gateway, "held", user(text, model, stream=stream))
        assert outcome(answer) == REFUSED
        assert b"guard-" not in answer.body
        fine = ask(gateway, "held", user("forbidden 12 things", model, stream=stream))
        assert fine.status == 200
        if stream:
            assert fine.body.endswith(b"data: [DONE]\n\n")
    assert ask(gateway, "held", user("x", "ok", n=2)).status == 200
    lines = gateway.log()
    refused = [line for line in lines if line.get("client") == "held" and line["status"] == 400][-1]
    assert (refused["status"], refused["reason"], refused["prompt_tokens"]) == (
        400,
        "guardrail_refused",
        0 if stream else 7,
    )


def test_an_answer_too_large_to_be_kept_back_is_refused(gateway: GatewayProcess) -> None:
    assert ask(gateway, "small", user("x", stream=True)).status == 200
    for stream in (False, True):
        answer = ask(gateway, "small", user("x" * 3_000, stream=stream))
        assert outcome(answer) == (502, "guardrail_answer_too_large")


def test_a_refused_answer_is_paid(gateway: GatewayProcess) -> None:
    left = []
    for text in ("x", "A-BAD", "x"):
        answer = ask(gateway, "metered", user(text, max_tokens=8))
        assert answer.status in (200, 400)
        left.append(int(answer.headers["x-ratelimit-remaining-tokens"]))
    row = [line for line in gateway.log() if line.get("client") == "metered"][-2]
    assert (row["status"], row["prompt_tokens"], row["output_tokens"]) == (400, 7, 3)
    assert left[2] < left[1] < left[0], "each of them took its tokens"


def test_a_kept_back_stream_shows_signs_of_life(gateway: GatewayProcess) -> None:
    with gateway.connect() as raw:
        raw.sendall(raw_request(user("a", "long", stream=True), key=key_of("alive"), extra="Connection: close\r\n"))
        head = read_until(raw, b": checking\n\n")
        assert b"200 OK" in head
        assert b"x-slipway-boundary: local" in head
        assert b"data:" not in head
        body = read_to_end(raw)
        assert body.count(b": checking\n\n") >= 3
        assert body.index(b"data: ") > body.rindex(b": checking")
        assert b"data: [DONE]\n\n" in body
    line = [line for line in gateway.log() if line.get("client") == "alive"][-1]
    assert line["first_byte_ms"] < line["duration_ms"] / 2, "the engine's first byte, not the client's"
    with gateway.connect() as raw:
        text = "A-BAD " + "slow words " * 20
        raw.sendall(
            raw_request(user(text, "echoslow", stream=True), key=key_of("alive"), extra="Connection: close\r\n")
        )
        body = read_to_end(raw)
        assert b": checking\n\n" in body
        assert b"event: error" in body
        assert b'"code":"guardrail_refused"' in body
        assert b"choices" not in body


@pytest.mark.parametrize(("model", "code"), [("cut", "engine_connection_lost"), ("malformed", "engine_malformed")])
def test_an_answer_that_breaks_is_not_judged_nor_told(
    gateway: GatewayProcess, engine: FakeEngine, model: str, code: str
) -> None:
    assert outcome(ask(gateway, "held", user("x", model, stream=True))) == (502, code)
    if model == "malformed":
        assert not engine.of(model)[-1].finished, "it is told to stop at once"
    assert outcome(ask(gateway, "held", user("x", "cleancut", stream=True))) == (502, "engine_connection_lost")
    assert outcome(ask(gateway, "held", user("x", "echobroken"))) == (502, "engine_malformed")
    assert outcome(ask(gateway, "held", user("x", "stall", stream=True))) == (504, "engine_stalled")
    assert outcome(ask(gateway, "held", user("x", "nohdr", stream=True))) == (504, "engine_silent")


def test_a_client_that_leaves_while_its_answer_is_kept_back(
    gateway: GatewayProcess, engine: FakeEngine, configured: tuple[Path, dict[str, Any]]
) -> None:
    before = len(engine.of("long"))
    with gateway.connect() as raw:
        raw.sendall(raw_request(user("a", "long", stream=True), key=key_of("metered"), extra="X-Request-Id: left\r\n"))
        call = engine.wait_for_call("long", before + 1)
        time.sleep(0.2)
    wait_until("the engine is let go", lambda: call.closed is not None, 2)
    assert not call.finished
    folder = configured[0] / "audit"
    wait_until("its row", lambda: any(row["request_id"] == "left" for row in rows(folder)))
    (row,) = (row for row in rows(folder) if row["request_id"] == "left")
    assert row["cost"] >= 2e-6, "what was generated until then is paid"


@pytest.mark.parametrize("stream", [False, True])
def test_a_hook_may_take_longer_than_a_body_or_a_pause_in_a_stream(gateway: GatewayProcess, stream: bool) -> None:
    for text in ("B-SLEEP", "A-SLEEP"):
        assert said(ask(gateway, "patient", user(text, stream=stream))) == text


def test_slow_hooks_do_not_hold_up_others(gateway: GatewayProcess) -> None:
    slow = threading.Thread(target=ask, args=(gateway, "own", user("B-SLOW")))
    slow.start()
    time.sleep(0.05)
    began = time.monotonic()
    assert said(ask(gateway, "own", user("quick"))) == "quick"
    assert time.monotonic() - began < 0.2
    slow.join(5)


def test_another_engine_only_before_the_head(engine: FakeEngine, tmp_path: Path) -> None:
    """A kept-back stream that breaks is tried elsewhere, unless its head has already named who answers."""
    with FakeEngine() as other:
        other.acts_as = "cut"
        sets: dict[str, Any] = {
            "held": {"deny_answer_patterns": {"word": "forbidden"}},
            "alive": {"deny_answer_patterns": {"word": "forbidden"}, "keep_alive_seconds": 0.001},
        }
        config = guarded_configuration(engine.url, tmp_path, sets)
        first = {"url": other.url, "key_file": None, "weight": 1000}
        config["models"]["ok"]["upstreams"] = [first, {"url": engine.url, "key_file": None}]
        config["models"]["ok"]["routing"] = {"retries": {"percent": 100}}
        with start_gateway(tmp_path, config) as gateway:
            assert ask(gateway, "held", user("x", "ok", stream=True)).body.endswith(b"[DONE]\n\n")
            assert len(other.calls) == 1
            broken = ask(gateway, "alive", user("x", "ok", stream=True))
            assert (len(other.calls), broken.status) == (2, 200)
            assert b'"code":"engine_connection_lost"' in broken.body
            assert b"choices" not in broken.body
