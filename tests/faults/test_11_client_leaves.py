"""Experiment 11: a client that leaves, in every phase. Pass: the engine's side is closed within 250 ms each time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import chat, configuration, raw_request, read_until, start_gateway, wait_until
from tests.serving.upstream import FakeEngine

LIMIT_SECONDS = 0.25
CASES = [
    ("mid-stream", "long", True, b"w2 "),
    ("before-the-first-token", "nobody", True, None),
    ("before-the-engines-headers", "nohdr", True, None),
    ("not-streamed", "nobody", False, None),
    ("not-streamed-before-headers", "nohdr", False, None),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("model", "stream", "mark"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_client_that_leaves_frees_the_engine(
    engine: FakeEngine, tmp_path: Path, times: Times, model: str, stream: bool, mark: bytes | None
) -> None:
    number = times(100)
    late: list[float] = []
    config = configuration(engine.url, tmp_path, first_byte_seconds=20, stream_idle_seconds=20)
    with start_gateway(tmp_path, config) as gateway:
        for turn in range(number):
            raw = gateway.connect()
            raw.sendall(raw_request(chat(model, stream=stream)))
            call = engine.wait_for_call(model, turn + 1)
            if mark is not None:
                read_until(raw, mark)
            else:
                time.sleep(0.01)
            left = time.monotonic()
            raw.close()
            wait_until("the engine is told", lambda call=call: call.closed is not None, 10)
            assert call.closed is not None
            assert not call.finished
            if call.closed - left > LIMIT_SECONDS:
                late.append(call.closed - left)
        assert gateway.metric(f'slipway_gateway_requests_in_flight{{model="{model}"}}') == 0
    assert late == []
