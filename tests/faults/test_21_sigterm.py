"""Experiment 21: SIGTERM with streams in flight. Pass: every stream completes, a request sent after the signal is still
answered, and the exit status is 0 within the grace."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import chat, configuration, raw_request, read_to_end, read_until, start_gateway
from tests.serving.upstream import LONG_FRAMES, FakeEngine

ACCEPT_SECONDS = 1.0
GRACE_SECONDS = 30.0


@pytest.mark.timeout(300)
def test_streams_outlive_sigterm(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    number = times(200, 20, "streams")
    config = configuration(engine.url, tmp_path, first_byte_seconds=20, stream_idle_seconds=20, header_seconds=20)
    options = ("--accept-seconds", str(ACCEPT_SECONDS), "--drain-seconds", str(GRACE_SECONDS))
    with start_gateway(tmp_path, config, *options) as gateway:
        streams = [gateway.connect() for _ in range(number)]
        for raw in streams:
            raw.sendall(raw_request(chat("long", stream=True)))
        for raw in streams:
            read_until(raw, b"w0 ", 20)
        told = time.monotonic()
        gateway.terminate()
        time.sleep(ACCEPT_SECONDS / 2)
        fresh = gateway.request(body=chat("ok"))
        assert (fresh.status, fresh.headers["connection"]) == (200, "close")
        endings = [read_to_end(raw, 30) for raw in streams]
        complete = [
            ending
            for ending in endings
            if b"[DONE]" in ending and f"w{LONG_FRAMES - 1} ".encode() in ending and b"event: error" not in ending
        ]
        assert len(complete) == number
        assert gateway.exit_status(GRACE_SECONDS) == 0
        assert time.monotonic() - told < ACCEPT_SECONDS + GRACE_SECONDS
        with pytest.raises((OSError, http.client.HTTPException)):
            gateway.request(body=chat("ok"))
        for raw in streams:
            raw.close()
    assert all(call.finished for call in engine.of("long"))
