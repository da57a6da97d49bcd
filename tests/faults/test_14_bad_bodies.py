"""Experiment 14: bodies that are broken, out of range or random. Pass: no 5xx, nothing out of range reaches an engine,
and memory does not grow."""

from __future__ import annotations

import http.client
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Times
from tests.faults.test_12_large_body import memory
from tests.serving.fuzzing import fuzzed_body
from tests.serving.gateway_process import PROMPT, ask, chat, configuration, start_gateway
from tests.serving.upstream import FakeEngine

NAMED: dict[str, Any] = {
    "truncated": json.dumps(chat("ok")).encode()[:-5],
    "invalid UTF-8": b'{"model": "ok", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "messages a text": {"model": "ok", "messages": "hello"},
    "max_tokens -5": chat("ok", max_tokens=-5),
    "n 10^9": chat("ok", n=10**9),
    "empty": b"",
    "a list": b"[]",
    "20,000 deep": b'{"model": "ok", "messages": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "no model": {"messages": [{"role": "user", "content": "a"}]},
}


@pytest.mark.timeout(600)
def test_bad_bodies_never_make_a_5xx(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    number = times(10_000)
    randomness = random.Random(14)
    statuses: Counter[int] = Counter()
    with start_gateway(tmp_path, configuration(engine.url, tmp_path)) as gateway:
        for name, body in NAMED.items():
            answer = gateway.request(body=body)
            assert answer.status == 400, name
            assert "allowed is " in answer.error["message"], name
        assert engine.calls == []
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        settled = 0
        for turn in range(number):
            path = randomness.choice(["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
            answer = ask(connection, "POST", path, fuzzed_body(randomness))
            statuses[answer.status] += 1
            if answer.status != 200:
                assert answer.error["code"]
                assert PROMPT.encode() not in answer.body
            if turn == number // 2:
                settled = memory(gateway, "VmRSS")
        connection.close()
        assert memory(gateway, "VmRSS") - settled < 4 * 1024 * 1024
        assert gateway.request(body=chat("ok")).status == 200
        assert PROMPT not in gateway.log_file.read_text()
    assert sum(statuses.values()) == number
    assert set(statuses) <= {200, 400, 404}, statuses
    assert statuses[200] > number / 20
    assert statuses[400] > number / 4
    for call in engine.calls:
        body = call.body
        assert 1 <= body["max_tokens"] <= 32
        assert body.get("n") in (None, 1, True) or 1 <= body["n"] <= 4
        assert body.get("temperature") is None or 0 <= body["temperature"] <= 2
