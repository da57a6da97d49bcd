"""Fault experiments 1 to 5: an engine that cuts, ends early, breaks a frame, stalls, or never answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import Answer, GatewayProcess, chat, configuration, start_gateway, wait_until
from tests.serving.upstream import FakeEngine

IDLE = 1.0
WORKERS = 10


@pytest.fixture
def gateway(engine: FakeEngine, tmp_path: Path) -> Iterator[GatewayProcess]:
    with start_gateway(tmp_path, configuration(engine.url, tmp_path)) as running:
        yield running


def many(gateway: GatewayProcess, model: str, count: int, workers: int = WORKERS) -> list[tuple[Answer, float]]:
    """`count` streams, a few at a time, each with how long it took."""

    def one(_: int) -> tuple[Answer, float]:
        started = time.monotonic()
        return gateway.request(body=chat(model, stream=True)), time.monotonic() - started

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(count)))


def the_error(answer: Answer) -> dict[str, Any]:
    """The error event that ends a stream; nothing was invented before it."""
    assert answer.status == 200
    assert b"[DONE]" not in answer.body
    assert b'"finish_reason": "stop"' not in answer.body
    last = answer.body.decode().strip().split("\n\n")[-1]
    assert last.startswith("event: error\ndata: "), last
    return json.loads(last.partition("data: ")[2])["error"]


@pytest.mark.parametrize("model", ["cut", "rst", "midframe"])
def test_01_a_cut_or_reset_ends_in_an_error_event(gateway: GatewayProcess, times: Times, model: str) -> None:
    answers = many(gateway, model, times(100))
    assert {the_error(answer)["code"] for answer, _ in answers} == {"engine_connection_lost"}


def test_02_a_clean_end_without_done_ends_in_an_error_event(gateway: GatewayProcess, times: Times) -> None:
    answers = many(gateway, "cleancut", times(100))
    assert {the_error(answer)["code"] for answer, _ in answers} == {"engine_connection_lost"}


def test_03_a_malformed_frame_ends_the_stream_within_a_second(gateway: GatewayProcess, times: Times) -> None:
    for answer, seconds in many(gateway, "malformed", times(100), 4):
        assert the_error(answer)["code"] == "engine_malformed"
        assert seconds <= 1
    assert gateway.process.poll() is None
    assert gateway.request(body=chat("ok")).status == 200


def test_04_a_stall_ends_at_the_idle_limit(gateway: GatewayProcess, engine: FakeEngine, times: Times) -> None:
    for answer, _ in many(gateway, "stall", times(100)):
        assert the_error(answer)["code"] == "engine_stalled"
    # From the last frame, as the engine saw it, to the end of the connection: what the limit bounds.
    calls = engine.of("stall")
    wait_until("all are closed", lambda: all(call.closed is not None for call in calls))
    silences = sorted(call.closed - call.last_frame for call in calls if call.closed is not None)
    assert silences[0] >= IDLE * 0.9, silences
    # A machine that gives both processes no time for a moment makes one of them late, not the limit.
    assert silences[len(silences) * 9 // 10 - 1] <= IDLE * 1.1, silences
    assert silences[-1] <= IDLE * 2, silences


@pytest.mark.parametrize("model", ["nohdr", "nobody"])
def test_05_no_answer_is_a_504_within_the_limit_and_a_second(gateway: GatewayProcess, times: Times, model: str) -> None:
    for answer, seconds in many(gateway, model, times(100)):
        assert (answer.status, answer.error["code"]) == (504, "engine_silent")
        assert seconds <= IDLE + 1
