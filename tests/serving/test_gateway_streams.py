"""Gateway: relaying. Streams and whole answers, engines that fail in every way, clients that leave or do not read."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.serving.gateway_process import (
    KEY,
    PROMPT,
    GatewayProcess,
    ask,
    chat,
    configuration,
    raw_request,
    read_until,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine

NOTICED = 0.25
"""Seconds in which an engine must learn that the client left."""


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with start_gateway(folder, configuration(engine.url, folder)) as running:
        yield running


def events(body: bytes) -> list[str]:
    return [frame for frame in body.decode().replace("\r\n", "\n").split("\n\n") if frame]


def error_event(body: bytes) -> dict[str, Any]:
    last = events(body)[-1]
    assert last.startswith("event: error\ndata: "), last
    return json.loads(last.removeprefix("event: error\ndata: "))["error"]


def test_a_stream_arrives_untouched_with_its_headers(gateway: GatewayProcess, engine: FakeEngine) -> None:
    answer = gateway.request(body=chat("ok", stream=True))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-request-id"]
    frames = events(answer.body)
    assert [json.loads(frame[6:])["choices"][0]["delta"].get("content") for frame in frames[:6]] == [
        f"w{number} " for number in range(6)
    ]
    assert frames[-1] == "data: [DONE]"
    assert b"usage" not in answer.body
    call = engine.of("ok")[-1]
    assert call.finished
    assert call.body["stream"] is True


def test_include_usage_is_the_clients_choice(gateway: GatewayProcess, engine: FakeEngine) -> None:
    answer = gateway.request(body=chat("ok", stream=True, stream_options={"include_usage": True}))
    assert b'"completion_tokens": 6' in answer.body
    assert engine.of("ok")[-1].body["stream_options"] == {"include_usage": True}


def test_completions_stream_too(gateway: GatewayProcess, engine: FakeEngine) -> None:
    answer = gateway.request(path="/v1/completions", body={"model": "ok", "prompt": "a", "stream": True})
    assert events(answer.body)[-1] == "data: [DONE]"
    assert engine.of("ok")[-1].path == "/v1/completions"


def test_events_arrive_when_the_engine_sends_them(gateway: GatewayProcess) -> None:
    with gateway.connect() as raw:
        started = time.monotonic()
        raw.sendall(raw_request(chat("long", stream=True)))
        read_until(raw, b"w0 ")
        assert time.monotonic() - started < 0.3
        read_until(raw, b"w5 ")
        assert 0.1 < time.monotonic() - started < 1.0


def test_comments_crlf_and_odd_chunks_pass_byte_for_byte(gateway: GatewayProcess) -> None:
    answer = gateway.request(body=chat("crlf", stream=True), headers={"X-Request-Id": "crlf-1"})
    assert answer.body == (
        b': keep-alive comment\r\n\r\ndata: {"choices": []}\r\n\r\n'
        b'data: {"usage": {"prompt_tokens": 5, "completion_tokens": 4}}\r\n\r\ndata: [DONE]\r\n\r\n'
    )
    line = next(line for line in gateway.log() if line.get("request_id") == "crlf-1")
    assert (line["prompt_tokens"], line["output_tokens"], line["reason"]) == (5, 4, None)


@pytest.mark.parametrize("model", ["cut", "rst", "cleancut", "midframe"])
def test_a_stream_that_ends_early_ends_in_an_error_event(gateway: GatewayProcess, model: str) -> None:
    answers = [gateway.request(body=chat(model, stream=True)) for _ in range(5)]
    for answer in answers:
        assert answer.status == 200
        assert answer.body.count(b'"w') == 5
        assert error_event(answer.body)["code"] == "engine_connection_lost"
        assert b"[DONE]" not in answer.body
        assert b'"finish_reason": "stop"' not in answer.body


def test_a_stalled_stream_ends_at_the_idle_limit(gateway: GatewayProcess, engine: FakeEngine) -> None:
    started = time.monotonic()
    answer = gateway.request(body=chat("stall", stream=True))
    assert 0.9 < time.monotonic() - started < 1.4
    assert error_event(answer.body)["code"] == "engine_stalled"
    wait_until("the engine is told", lambda: engine.of("stall")[-1].closed is not None, 1)


@pytest.mark.parametrize("model", ["nohdr", "nobody"])
def test_no_first_byte_is_a_504_within_the_limit(gateway: GatewayProcess, engine: FakeEngine, model: str) -> None:
    started = time.monotonic()
    answer = gateway.request(body=chat(model, stream=True))
    assert (answer.status, answer.error["code"]) == (504, "engine_silent")
    assert 0.9 < time.monotonic() - started < 1.5
    wait_until("the engine is told", lambda: engine.of(model)[-1].closed is not None, 1)


def test_longest_generation_bounds_streams_and_whole_answers(gateway: GatewayProcess, engine: FakeEngine) -> None:
    for stream in (True, False):
        started = time.monotonic()
        answer = gateway.request(body=chat("endless", stream=stream))
        assert 0.9 < time.monotonic() - started < 1.5
        error = error_event(answer.body) if stream else answer.error
        assert error["code"] == "generation_too_long"
        assert answer.status == (200 if stream else 504)
        wait_until("the engine is told", lambda: engine.of("endless")[-1].closed is not None, 1)


def test_whole_answers_are_not_bound_by_the_first_byte_limit(gateway: GatewayProcess) -> None:
    assert gateway.request(body=chat("slow")).status == 200


def test_a_malformed_frame_ends_the_stream_and_the_next_request_works(
    gateway: GatewayProcess, engine: FakeEngine
) -> None:
    started = time.monotonic()
    answer = gateway.request(body=chat("malformed", stream=True))
    assert time.monotonic() - started < 1
    assert error_event(answer.body)["code"] == "engine_malformed"
    assert answer.body.count(b'"w') == 5
    wait_until("the engine is told", lambda: engine.of("malformed")[-1].closed is not None, 1)
    assert gateway.request(body=chat("ok")).status == 200


def test_engine_errors_keep_status_body_and_retry_after(gateway: GatewayProcess, engine: FakeEngine) -> None:
    for stream in (False, True):
        before = len(engine.calls)
        limited = gateway.request(body=chat("e429", stream=stream))
        assert (limited.status, limited.headers["retry-after"]) == (429, "7")
        assert limited.error["message"] == "queue full"
        down = gateway.request(body=chat("e503", stream=stream))
        assert (down.status, down.headers["retry-after"]) == (503, "3")
        assert down.error["code"] == "engine_error"
        wrong = gateway.request(body=chat("e400", stream=stream))
        assert (wrong.status, wrong.error["message"]) == (400, "too long by 3 tokens")
        assert len(engine.calls) == before + 3  # one call each: no retry storm


@pytest.mark.parametrize("model", ["e401", "redirect"])
def test_an_engine_that_refuses_the_gateway_is_not_the_clients_fault(gateway: GatewayProcess, model: str) -> None:
    answer = gateway.request(body=chat(model))
    assert (answer.status, answer.error["code"]) == (502, "engine_refused_gateway")


def test_a_broken_whole_answer_is_a_502_without_a_second_call(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        engine.health_keeps_connection = False  # so that the first connection of each request is a fresh one
        with start_gateway(tmp_path, configuration(engine.url, tmp_path)) as gateway:
            for model in ("dead", "halfbody", "dead"):
                answer = gateway.request(body=chat(model))
                assert (answer.status, answer.error["code"]) == (502, "engine_connection_lost")
        assert [call.model for call in engine.calls] == ["dead", "halfbody", "dead"]


def test_a_stale_kept_connection_is_replaced_once(gateway: GatewayProcess, engine: FakeEngine) -> None:
    for _ in range(6):
        assert gateway.request(body=chat("stale")).status == 200
    calls = engine.of("stale")
    assert any(call.nth_on_connection > 1 for call in calls)  # the race did happen
    assert len(calls) <= 12


def test_large_whole_answers_flow_through_and_a_cut_one_is_broken_off(gateway: GatewayProcess) -> None:
    answer = gateway.request(path="/v1/embeddings", body={"model": "big", "input": "a"})
    assert len(json.loads(answer.body)["data"]) == 400_000
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        gateway.request(body=chat("bigcut"))


DEPARTURES = [
    ("nohdr", True, None),  # before the engine's headers
    ("nobody", True, None),  # before the first token
    ("long", True, b"w3 "),  # in the middle of the stream
    ("nohdr", False, None),  # a request that is not streamed
    ("nobody", False, None),
]


@pytest.mark.parametrize(("model", "stream", "mark"), DEPARTURES, ids=str)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_frees_the_engine_at_once(
    gateway: GatewayProcess, engine: FakeEngine, model: str, stream: bool, mark: bytes | None, how: str
) -> None:
    for _ in range(3):
        count = len(engine.of(model)) + 1
        raw = gateway.connect()
        raw.sendall(raw_request(chat(model, stream=stream), extra="X-Request-Id: leaving\r\n"))
        call = engine.wait_for_call(model, count)
        if mark:
            read_until(raw, mark)
        else:
            time.sleep(0.02)
        if how == "reset":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        left = time.monotonic()
        raw.close()
        wait_until("the engine is told", lambda call=call: call.closed is not None, 2)
        assert call.closed is not None
        assert call.closed - left < NOTICED
        assert not call.finished
    line = next(line for line in reversed(gateway.log()) if line.get("request_id") == "leaving")
    assert line["reason"] == "client_gone"


def test_a_client_that_does_not_read_holds_the_engine_back_and_is_dropped(
    gateway: GatewayProcess, engine: FakeEngine
) -> None:
    before = len(engine.of("flood"))
    with gateway.connect() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw.sendall(raw_request(chat("flood", stream=True)))
        call = engine.wait_for_call("flood", before + 1)
        time.sleep(0.5)
        frames = call.frames
        time.sleep(0.3)
        assert call.frames == frames < 400  # 120 MB would be 2,000: nothing buffers the rest
        wait_until("dropped at the idle limit", lambda: call.closed is not None, 3)


def test_a_slow_reader_gets_every_byte(gateway: GatewayProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(chat("flood", stream=True)), {"Authorization": f"Bearer {KEY}"}
    )
    response = connection.getresponse()
    size = 0
    for pause in (0.3, 0.3, 0):
        size += len(response.read(3_000_000))
        time.sleep(pause)
    size += len(response.read())
    connection.close()
    assert size > 120_000_000


def test_many_streams_at_once_do_not_mix(gateway: GatewayProcess) -> None:
    def stream(number: int) -> bytes:
        model = ("long", "ok", "cut")[number % 3]
        return gateway.request(body=chat(model, stream=True)).body

    started = time.monotonic()
    with ThreadPoolExecutor(30) as pool:
        bodies = list(pool.map(stream, range(30)))
    assert time.monotonic() - started < 8  # one long stream is 1.6 s
    for number, body in enumerate(bodies):
        frames = (40, 6, 5)[number % 3]
        assert [f'"w{frame} "'.encode() in body for frame in range(frames + 1)] == [True] * frames + [False]
        assert (b"[DONE]" in body) == (number % 3 != 2)


def test_connections_are_kept_and_answers_are_not_delayed(gateway: GatewayProcess, engine: FakeEngine) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    taken: list[float] = []
    before = engine.connections
    for _ in range(20):
        started = time.monotonic()
        assert ask(connection, "POST", "/v1/chat/completions", chat("ok")).status == 200
        taken.append(time.monotonic() - started)
    connection.close()
    assert sorted(taken)[10] < 0.03  # 0.04 would be a delayed ACK
    assert engine.connections - before <= 3  # the engine's connections are kept too


def test_the_official_client_works(gateway: GatewayProcess) -> None:
    client = openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{gateway.port}/v1", max_retries=0, timeout=10)
    messages: Any = [{"role": "user", "content": PROMPT}]
    assert "ok" in [model.id for model in client.models.list().data]
    whole = client.chat.completions.create(model="ok", messages=messages)
    assert whole.choices[0].message.content == "hi"
    options: Any = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="ok", messages=messages, stream=True, stream_options=options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "w0 w1 w2 w3 w4 w5 "
    assert chunks[-1].usage
    assert client.embeddings.create(model="embed", input="a").data[0].embedding
    with pytest.raises(openai.APIError, match="connection that ended"):
        list(client.chat.completions.create(model="cut", messages=messages, stream=True))
    with pytest.raises(openai.NotFoundError, match="no model under"):
        client.chat.completions.create(model="nope", messages=messages)
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(api_key="x", base_url=client.base_url, max_retries=0).models.list()


def test_two_requests_in_one_packet_are_both_answered(gateway: GatewayProcess) -> None:
    with gateway.connect() as raw:
        raw.sendall(raw_request(chat("ok"), extra="X-Request-Id: one\r\n") * 2)
        seen = read_until(raw, b'"total_tokens": 10}}')
        if seen.count(b"HTTP/1.1 200") < 2:
            seen += read_until(raw, b'"total_tokens": 10}}')
        assert seen.count(b"HTTP/1.1 200") == 2
