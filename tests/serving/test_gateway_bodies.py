"""Gateway: what may be in a body. Size, JSON, types, ranges, the output bound, and fuzzed bodies."""

from __future__ import annotations

import contextlib
import http.client
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving.fuzzing import fuzzed_body
from tests.serving.gateway_process import (
    KEY,
    PROMPT,
    GatewayProcess,
    ask,
    chat,
    configuration,
    read_to_end,
    read_until,
    start_gateway,
)
from tests.serving.upstream import FakeEngine

FUZZED = 1000


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with start_gateway(folder, configuration(engine.url, folder)) as running:
        yield running


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"messages": "hello"}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": ["a"]}, "messages"),
    ({"messages": [{"role": "user", "content": "a"}] * 17}, "messages"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -5}, "max_tokens"),
    ({"max_tokens": 33}, "max_tokens"),
    ({"max_tokens": "8"}, "max_tokens"),
    ({"max_tokens": 8.5}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"max_completion_tokens": 10**30}, "max_completion_tokens"),
    ({"n_predict": -1}, "n_predict"),
    ({"min_tokens": 33}, "min_tokens"),
    ({"n": 10**9}, "n"),
    ({"n": 0}, "n"),
    ({"n": 5}, "n"),
    ({"best_of": 5}, "best_of"),
    ({"temperature": 2.5}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": 1.01}, "top_p"),
    ({"presence_penalty": 3}, "presence_penalty"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"seed": "x"}, "seed"),
    ({"stream": 1}, "stream"),
    ({"stream_options": []}, "stream_options"),
    ({"tools": {}}, "tools"),
    ({"stop": 3}, "stop"),
    ({"model": 7}, "model"),
    ({"model": None}, "model"),
]


@pytest.mark.parametrize(("fields", "param"), BAD_FIELDS, ids=lambda value: str(value)[:40])
def test_out_of_bounds_is_refused_before_the_engine(
    gateway: GatewayProcess, engine: FakeEngine, fields: dict[str, Any], param: str
) -> None:
    before = len(engine.calls)
    answer = gateway.request(body={**chat("ok"), **fields})
    assert answer.status == 400
    assert answer.error["param"] == param
    assert answer.error["message"].startswith(f"{param}: found ")
    assert "allowed is " in answer.error["message"]
    assert len(engine.calls) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0},
        {"temperature": 2, "top_p": 1, "n": 4, "seed": -1, "stop": ["a"], "user": "u"},
        {"max_tokens": 32, "temperature": None, "stop": None, "n": None},
        {"tools": [], "tool_choice": "auto", "unknown_extension": {"deep": [1]}},
    ],
    ids=str,
)
def test_within_bounds_passes(gateway: GatewayProcess, fields: dict[str, Any]) -> None:
    assert gateway.request(body=chat("ok", **fields)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"{",
        b'{"model": "ok", "messages": [{"role": "user"}]',
        b'{"model": "ok", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        b'{"model": "ok", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "ok", "messages": [{"content": "a"}], "temperature": NaN}',
        b'{"model": "ok", "messages": [{"content": "a"}], "temperature": 1e999}',
        b'{"model": "ok", "model": "cut", "messages": [{"content": "a"}]}',
        b'{"model": "ok", "messages": [{"content": "a", "content": "b"}]}',
        b'{"model": "ok", "messages": [{"content": "a"}], "max_tokens": 1, "max\\u005ftokens": 9000}',
        b'{"model": "ok", "messages": [{"content": "a:b"}], "n": 1, "n": 1}',
        b'{"model": "ok", "messages": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"model": "ok", "messages": [{"content": ' + b'[{"a":' * 500 + b"null" + b"}]" * 500 + b"}]}",
        b'\xef\xbb\xbf{"model": "ok", "messages": [{"content": "a"}]}',
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_is_not_one_plain_json_object_is_refused(gateway: GatewayProcess, engine: FakeEngine, body: bytes) -> None:
    before = len(engine.calls)
    answer = gateway.request(body=body)
    assert (answer.status, answer.error["code"]) == (400, "invalid_json")
    assert len(engine.calls) == before


def test_colons_in_prompts_are_not_duplicates(gateway: GatewayProcess) -> None:
    messages = [{"role": "user", "content": 'a: b, "c": "d", {"c":1,"c":2} https://x :' + ":" * 50}]
    assert gateway.request(body={"model": "ok", "messages": messages}).status == 200


def test_output_bound_is_written_into_the_body_and_the_rest_is_untouched(
    gateway: GatewayProcess, engine: FakeEngine
) -> None:
    sent = b' { "model":"ok",\n "seed": 9007199254740993, "messages":[{"role":"user","content":"a\\u00e9 b"}]}'
    assert gateway.request(body=sent).status == 200
    raw = engine.of("ok")[-1].raw
    assert raw == sent.replace(b' { "model"', b' {"max_tokens":32, "model"')


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_completion_tokens": 6, "max_tokens": 6}),
        ({"max_tokens": None}, {"max_tokens": 32}),
        ({"max_tokens": None, "max_completion_tokens": None}, {"max_tokens": 32, "max_completion_tokens": None}),
        ({"n_predict": 7}, {"max_tokens": 32, "n_predict": 7}),
        ({}, {"max_tokens": 32}),
    ],
    ids=str,
)
def test_output_bound_for_every_name(
    gateway: GatewayProcess, engine: FakeEngine, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert gateway.request(body=chat("ok", **fields)).status == 200
    body = engine.of("ok")[-1].body
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == expected


def test_escaped_name_of_the_output_bound_is_no_way_around_it(gateway: GatewayProcess, engine: FakeEngine) -> None:
    body = b'{"model": "ok", "messages": [{"content": "a"}], "max\\u005ftokens": null}'
    assert gateway.request(body=body).status == 200
    assert engine.of("ok")[-1].body["max_tokens"] == 32


def test_prompts_of_completions(gateway: GatewayProcess) -> None:
    def status(prompt: Any, **fields: Any) -> int:
        return gateway.request(path="/v1/completions", body={"model": "ok", "prompt": prompt, **fields}).status

    assert [status(good) for good in ("a", ["a", "b"], [1, 2], [[1], [2]])] == [200] * 4
    assert [status(bad) for bad in (None, 7, {}, [], [1, "a"], ["a"] * 5, [[]], [-1], [[1], "a"])] == [400] * 9
    assert status(["a", "b"], n=2) == 200
    assert status(["a", "b"], n=3) == 400  # 6 generations, 4 allowed


def test_what_certainly_cannot_fit_the_context_is_refused(gateway: GatewayProcess) -> None:
    fits = "x" * (64 * 128)  # 64 tokens of the longest kind
    assert gateway.request(body=chat("ok", messages=[{"role": "user", "content": fits}])).status == 200
    too_long = gateway.request(body=chat("ok", messages=[{"role": "user", "content": fits + "y"}]))
    assert (too_long.status, too_long.error["code"]) == (400, "context_length_exceeded")
    parts = [{"type": "text", "text": fits}, {"type": "text", "text": "y"}]
    assert gateway.request(body=chat("ok", messages=[{"role": "user", "content": parts}])).status == 400
    image = [{"type": "image_url", "image_url": {"url": "data:" + fits}}]
    assert gateway.request(body=chat("ok", messages=[{"role": "user", "content": image}])).status == 200
    tokens = gateway.request(path="/v1/completions", body={"model": "ok", "prompt": [1] * 65})
    assert tokens.error["code"] == "context_length_exceeded"
    several = {"model": "ok", "prompt": [fits, fits]}  # each has a context of its own
    assert gateway.request(path="/v1/completions", body=several).status == 200


def test_a_body_over_the_limit_is_refused_by_its_announcement(gateway: GatewayProcess) -> None:
    with gateway.connect() as raw:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        raw.sendall(f"{head}Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = read_to_end(raw)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in answer
    assert b"connection: close" in answer
    assert b"65536 bytes" in answer


def test_a_body_over_the_limit_is_refused_while_it_arrives(gateway: GatewayProcess) -> None:
    sent = 0
    with gateway.connect() as raw:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        raw.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        raw.settimeout(0.01)
        answer = b""
        while sent < 1_000_000 and not answer:
            raw.sendall(b"2000\r\n" + b"x" * 8192 + b"\r\n")
            sent += 8192
            try:
                answer = raw.recv(4096)
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 413")
        assert sent < 200_000  # not after the whole body
        read_to_end(raw)  # the client may go on sending and still read it all; then the connection ends


def test_a_client_that_sends_all_of_a_refused_body_can_read_the_answer(gateway: GatewayProcess) -> None:
    for _ in range(5):
        answer = gateway.request(body=b"x" * 5_000_000)
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")
        assert gateway.request(body=b"x" * 5_000_000, key="wrong").status == 401


def test_a_body_that_trickles_ends_at_the_limit(gateway: GatewayProcess) -> None:
    with gateway.connect() as raw:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        raw.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        started = time.monotonic()
        assert read_until(raw, b"body_too_slow").startswith(b"HTTP/1.1 408")
        assert 0.8 < time.monotonic() - started < 2


def test_a_head_that_trickles_or_never_comes_is_cut(gateway: GatewayProcess) -> None:
    silent, slow = gateway.connect(), gateway.connect()
    with silent, slow:
        started = time.monotonic()
        slow.settimeout(0.1)
        ended = False
        while not ended and time.monotonic() - started < 5:
            try:
                slow.sendall(b"G" if time.monotonic() - started < 0.1 else b"E")
                ended = slow.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
        assert ended
        assert time.monotonic() - started < 3
        silent.settimeout(2)
        with contextlib.suppress(ConnectionResetError):
            assert silent.recv(100) == b""


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Transfer-Encoding: banana\r\n",
        b"Content-Length: +2\r\n",
        b"X-A: b\r\n folded\r\nContent-Length: 2\r\n",
        b"X-A: b\nContent-Length: 2\r\n",
        b"Content-Length : 2\r\n",
        b"X-A: a\x00b\r\nContent-Length: 2\r\n",
    ],
    ids=["cl+te", "two-cl", "te-unknown", "cl-plus", "folded", "bare-lf", "space", "nul"],
)
def test_ambiguous_http_is_refused_and_the_connection_closed(gateway: GatewayProcess, head: bytes) -> None:
    with gateway.connect() as raw:
        try:
            raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n{}")
            answer = read_to_end(raw, 3)
        except ConnectionResetError:
            return  # closed: as good
    assert b"HTTP/1.1 200" not in answer
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401")), answer[:100]
    assert b"connection: close" in answer


def test_a_head_without_end_is_refused_at_its_limit(gateway: GatewayProcess) -> None:
    with gateway.connect() as raw:
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 60_000)
        time.sleep(0.1)
        with contextlib.suppress(OSError):
            raw.sendall(b"a" * 10_000)
        answer = read_to_end(raw, 3)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"larger than 64 KiB" in answer


def test_fuzzed_bodies_never_make_a_5xx(gateway: GatewayProcess, engine: FakeEngine) -> None:
    randomness = random.Random(20261124)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    statuses: dict[int, int] = {}
    before = len(engine.calls)
    for _ in range(FUZZED):
        path = randomness.choice(["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
        answer = ask(connection, "POST", path, fuzzed_body(randomness))
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        if answer.status != 200:
            assert answer.error["code"]
    connection.close()
    assert sum(statuses.values()) == FUZZED
    assert set(statuses) <= {200, 400, 404, 405}, statuses
    assert statuses[200] > FUZZED / 20
    assert statuses[400] > FUZZED / 4
    for call in engine.calls[before:]:
        body = call.body
        assert 1 <= body["max_tokens"] <= 32
        assert body.get("n") in (None, 1, True) or 1 <= body["n"] <= 4
        assert body.get("temperature") is None or 0 <= body["temperature"] <= 2
    assert gateway.request(body=chat("ok")).status == 200
    assert PROMPT not in gateway.log_file.read_text()
