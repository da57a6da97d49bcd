"""Gateway: quotas of one process. Each kind refuses and recovers, the unused comes back, reload forgets nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gateway_process import (
    KEY,
    GatewayProcess,
    raw_request,
    read_until,
    start_gateway,
    wait_until,
)
from tests.serving.limited import ask_as, chat_body, key_of, limited, priced, remaining, stream, until_refused
from tests.serving.upstream import FakeEngine

# The fake engine reports 7 prompt and 3 answer tokens; a request for 5 is first thought to take about 50.
USED = 10
CLIENTS: dict[str, dict[str, Any]] = {
    "minute": {"tokens_per_minute": 300},
    "minute2": {"tokens_per_minute": 300},
    "day": {"tokens_per_day": 300},
    "two": {"concurrent_requests": 2},
    "single": {"concurrent_requests": 1},
    "poor": {"dollars_per_month": 0.3},
    "paced": {"requests_per_minute": 30},
    "narrow2": {"per_model": {"ok": {"tokens_per_day": 300, "requests_per_minute": 600, "concurrent_requests": 50}}},
    "refund": {"tokens_per_day": 300},
    "refund2": {"tokens_per_day": 300},
    "gone": {"tokens_per_day": 100_000},
    "streams": {"tokens_per_minute": 1_000_000, "dollars_per_month": 1000},
    "free": {},
}


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    # 1,000 dollars per million tokens: a cent per request.
    with start_gateway(folder, priced(limited(engine.url, folder, CLIENTS), 1000)) as running:
        yield running


def _error(answer: Any, kind: str) -> None:
    assert answer.status == 429
    error = answer.error
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", kind)
    assert "found" in error["message"]
    assert "allowed is" in error["message"]


def test_tokens_per_minute(gateway: GatewayProcess) -> None:
    refusals = 'slipway_gateway_refusals_total{reason="limit_tokens_per_minute"}'
    before = gateway.metric(refusals)
    began = time.monotonic()
    count, refused = until_refused(gateway, "minute", 200)
    elapsed = time.monotonic() - began
    _error(refused, "tokens_per_minute")
    # Settled by usage: far more requests fit than by their estimates, but never more than the limit.
    assert 20 <= count <= (300 + elapsed * 5) / USED + 1
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 15
    assert int(refused.headers["retry-after"]) == wait
    assert gateway.metric(refusals) == before + 1
    assert ask_as(gateway, "free").status == 200  # others are not affected


def test_retry_after_is_true(gateway: GatewayProcess) -> None:
    _, refused = until_refused(gateway, "minute2", 200)
    time.sleep(int(refused.headers["retry-after"]))
    assert ask_as(gateway, "minute2").status == 200


def test_what_can_never_fit_is_said_at_once(gateway: GatewayProcess, engine: FakeEngine) -> None:
    before = len(engine.calls)
    answer = gateway.request(body=chat_body(n=4, max_tokens=32, user="x" * 30_000), key=key_of("minute"))
    assert answer.status == 400
    assert answer.error["code"] == "request_larger_than_limit"
    assert answer.error["param"] == "max_tokens"
    assert "300 tokens" in answer.error["message"]
    assert answer.headers["retry-after"] is None
    assert len(engine.calls) == before


def test_tokens_per_day_come_back_at_midnight_utc(gateway: GatewayProcess) -> None:
    count, refused = until_refused(gateway, "day", 100)
    _error(refused, "tokens_per_day")
    assert 20 <= count <= 300 / USED
    now = datetime.now(UTC)
    left = 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)
    assert int(refused.headers["retry-after"]) == pytest.approx(left, abs=10)


def test_concurrent_requests(gateway: GatewayProcess, engine: FakeEngine) -> None:
    held = [gateway.connect() for _ in range(2)]
    for connection in held:
        connection.sendall(raw_request(chat_body("long", stream=True), key=key_of("two")))
        read_until(connection, b"data:")
    refused = ask_as(gateway, "two")
    _error(refused, "concurrent_requests")
    assert refused.headers["retry-after"] == "1"
    held[0].close()  # a client that leaves makes room
    wait_until("a request fits again", lambda: ask_as(gateway, "two").status == 200)
    read_until(held[1], b"[DONE]")
    held[1].close()
    for _ in range(20):
        assert ask_as(gateway, "two").status == 200


def test_the_next_request_may_follow_at_once(gateway: GatewayProcess) -> None:
    """What a request held is free again when its answer's last byte is there, also a stream's."""
    for number in range(40):
        body = chat_body(stream=number % 2 == 0)
        assert stream(gateway.port, "/v1/chat/completions", body, key_of("single"))[0] == 200


def test_dollars_per_month(gateway: GatewayProcess) -> None:
    count, refused = until_refused(gateway, "poor", 100)
    _error(refused, "budget")
    assert 20 <= count <= 30
    now = datetime.now(UTC)
    month_end = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    assert int(refused.headers["retry-after"]) == pytest.approx((month_end - now).total_seconds(), abs=10)


def test_requests_per_minute_and_headers(gateway: GatewayProcess) -> None:
    answers = [ask_as(gateway, "paced") for _ in range(8)]
    assert [answer.status for answer in answers[:5]] == [200] * 5
    refused = next(answer for answer in answers if answer.status != 200)
    _error(refused, "requests")
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert answers[0].headers["x-ratelimit-limit-requests"] == "5"
    assert [int(answer.headers["x-ratelimit-remaining-requests"]) for answer in answers[:3]] == [4, 3, 2]
    assert answers[0].headers["x-ratelimit-reset-requests"] == "2.000s"
    assert ask_as(gateway, "free").headers["x-ratelimit-limit-requests"] is None


def test_a_limit_of_one_model_is_of_that_model(gateway: GatewayProcess) -> None:
    _, refused = until_refused(gateway, "narrow2", 100)
    _error(refused, "tokens_per_day")
    assert "with the model ok" in refused.error["message"]
    embedding = {"model": "embed", "input": "x"}
    answer = gateway.request(path="/v1/embeddings", body=embedding, key=key_of("narrow2"))
    assert answer.status == 200


@pytest.mark.parametrize(("client", "model", "status"), [("refund", "e503", 503), ("refund2", "dead", 502)])
def test_what_the_engine_did_not_do_costs_nothing(
    gateway: GatewayProcess, client: str, model: str, status: int
) -> None:
    assert {ask_as(gateway, client, model).status for _ in range(20)} <= {status, 503}
    assert ask_as(gateway, client).status == 200


def test_a_client_that_leaves_pays_for_what_it_got(gateway: GatewayProcess, engine: FakeEngine) -> None:
    before = remaining(gateway, "gone")
    call = len(engine.of("long")) + 1
    with gateway.connect() as connection:
        connection.sendall(raw_request(chat_body("long", stream=True, max_tokens=32), key=key_of("gone")))
        read_until(connection, b"w2 ")
    wait_until("the engine noticed", lambda: engine.wait_for_call("long", call).closed is not None)
    time.sleep(0.2)
    between = remaining(gateway, "gone")
    with gateway.connect() as connection:
        connection.sendall(raw_request(chat_body("long", stream=True, max_tokens=32), key=key_of("gone")))
        read_until(connection, b"w25 ")
    wait_until("the engine noticed", lambda: engine.wait_for_call("long", call + 1).closed is not None)
    time.sleep(0.2)
    early, late = before - between - USED, between - remaining(gateway, "gone") - USED
    # Prompt estimate and an event each; neither nothing nor the whole reservation.
    assert 20 <= early <= 70
    assert 15 <= late - early <= 40


def test_a_client_that_leaves_before_an_answer_pays_for_the_time(gateway: GatewayProcess, engine: FakeEngine) -> None:
    before = remaining(gateway, "gone")
    call = len(engine.of("nohdr")) + 1
    with gateway.connect() as connection:
        connection.sendall(raw_request(chat_body("nohdr", max_tokens=32), key=key_of("gone")))
        engine.wait_for_call("nohdr", call)
        time.sleep(0.3)
    wait_until("the engine noticed", lambda: engine.wait_for_call("nohdr", call).closed is not None)
    time.sleep(0.2)
    assert before - remaining(gateway, "gone") - USED >= 20


CASES: list[dict[str, Any]] = [
    {},
    {"stream_options": None},
    {"stream_options": {}},
    {"stream_options": {"include_usage": False}},
    {"stream_options": {"include_usage": True}},
]


@pytest.mark.parametrize("fields", CASES, ids=lambda fields: json.dumps(fields))
@pytest.mark.parametrize(("path", "model"), [("/v1/chat/completions", "ok"), ("/v1/completions", "ok")])
def test_a_stream_is_what_the_engine_would_have_sent(
    gateway: GatewayProcess, engine: FakeEngine, path: str, model: str, fields: dict[str, Any]
) -> None:
    """Byte for byte, though the gateway made the engine report usage; and the gateway learnt it."""
    body = {"model": model, "stream": True, "max_tokens": 5, **fields}
    body |= {"messages": [{"role": "user", "content": "x"}]} if "chat" in path else {"prompt": "x"}
    _, expected = stream(int(engine.url.rpartition(":")[2]), path, body, "")
    status, got = stream(gateway.port, path, body, key_of("streams"))
    assert (status, got) == (200, expected)
    asked = engine.of(model)[-1].body
    assert asked["stream_options"]["include_usage"] is True
    assert {name: value for name, value in asked.items() if name != "stream_options"} == {
        name: value for name, value in body.items() if name != "stream_options"
    }
    line = next(line for line in reversed(gateway.log()) if line.get("client") == "streams")
    assert (line["prompt_tokens"], line["output_tokens"]) == (7, 6)


def test_without_a_use_for_usage_the_request_is_left_alone(engine: FakeEngine, tmp_path: Path) -> None:
    with start_gateway(tmp_path, limited(engine.url, tmp_path, {"only": {"concurrent_requests": 5}})) as gateway:
        status, _ = stream(gateway.port, "/v1/chat/completions", chat_body(stream=True), key_of("only"))
        assert status == 200
        assert "stream_options" not in engine.of("ok")[-1].body


def test_reload_keeps_what_was_spent_and_takes_the_new_limit(engine: FakeEngine, tmp_path: Path) -> None:
    def write(limit: int) -> dict[str, Any]:
        return limited(engine.url, tmp_path, {"c": {"tokens_per_day": limit, "concurrent_requests": 1}})

    with start_gateway(tmp_path, write(300)) as gateway:

        def reload(limit: int) -> None:
            (tmp_path / "gateway.json").write_text(json.dumps(write(limit)))
            gateway.hang_up()
            assert gateway.notified().startswith("reloaded")

        first, _ = until_refused(gateway, "c", 100)
        reload(300)
        assert ask_as(gateway, "c").status == 429
        with gateway.connect() as running:
            reload(500)
            running.sendall(raw_request(chat_body("long", stream=True), key=key_of("c")))
            read_until(running, b"data:")
            reload(800)  # what runs is still counted
            assert ask_as(gateway, "c").error["type"] == "concurrent_requests"
        wait_until("room again", lambda: ask_as(gateway, "c").status == 200)
        count, refused = until_refused(gateway, "c", 100)
        _error(refused, "tokens_per_day")
        assert first + count <= 800 / USED
        reload(300)
        assert ask_as(gateway, "c").status == 429


def _problems(gateway: GatewayProcess, tmp_path: Path, document: dict[str, Any]) -> str:
    (tmp_path / "gateway.json").write_text(json.dumps(document))
    gateway.hang_up()
    text = gateway.notified()
    assert text.startswith("refused")
    return text


def test_configurations_that_would_not_limit_are_refused(engine: FakeEngine, tmp_path: Path) -> None:
    good = limited(engine.url, tmp_path, {"c": {}})
    with start_gateway(tmp_path, good) as gateway:
        bad = limited(engine.url, tmp_path, {"c": {"dollars_per_month": 5}})
        assert "which has no price" in _problems(gateway, tmp_path, bad)
        bad = limited(engine.url, tmp_path, {"c": {"per_model": {"rst": {"tokens_per_day": 5}}}})
        assert "per_model: found another name" in _problems(gateway, tmp_path, bad)
        bad = limited(engine.url, tmp_path, {"c": {"tokens_per_hour": 5}})
        assert "clients.c: found a problem (an unknown field, not shown)" in _problems(gateway, tmp_path, bad)
        store = {"kind": "redis", "url_file": str(tmp_path / "none"), "when_away": "local"}
        bad = {**good, "limits_store": store}
        assert "limits_store.url_file: found FileNotFoundError" in _problems(gateway, tmp_path, bad)
        (tmp_path / "url").write_text("http://user:secret-canary@x/\n")  # not-a-secret
        bad = {**good, "limits_store": {**store, "url_file": str(tmp_path / "url")}}
        assert "secret-canary" not in _problems(gateway, tmp_path, bad)
        assert gateway.request(body=chat_body(), key=KEY).status == 200


def test_fields_of_another_endpoint_are_not_read(gateway: GatewayProcess) -> None:
    for messages in ([1], 7, "x", None, [{"content": 3}]):
        body = {"model": "ok", "prompt": "x", "max_tokens": 5, "messages": messages}
        assert gateway.request(path="/v1/completions", body=body, key=key_of("streams")).status == 200
