"""Fault experiment 6: an engine hangs while its health answers 200. It is ejected within twice the idle limit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import start_gateway, wait_until
from tests.serving.routed import ask, configuration, in_background, model, replicas, settle
from tests.serving.upstream import FakeEngine

IDLE = 1.0


@pytest.mark.parametrize("behaviour", ["nohdr", "nobody", "stall"])
def test_06_a_hung_engine_is_ejected_although_healthy(
    engine: FakeEngine, tmp_path: Path, times: Times, behaviour: str
) -> None:
    rounds = times(10, 1)
    with FakeEngine() as other:
        # No first_byte_seconds: the request itself could wait for 20 s.
        routing = {"eject": {"seconds": 1, "longest_seconds": 2}}
        config = configuration({"m": model([engine, other], routing=routing)}, first_byte_seconds=None)
        with start_gateway(tmp_path, config) as gateway:
            settle(gateway, 2)
            for _ in range(rounds):
                engine.acts_as = behaviour
                asked = len(engine.calls)
                hanging = []
                while len(engine.calls) == asked:
                    hanging.append(in_background(lambda: ask(gateway, stream=True)))
                    time.sleep(0.05)
                last_byte = time.monotonic() + (0.05 if behaviour == "stall" else 0)  # five frames, then silence
                wait_until("ejected", lambda: replicas(gateway)["ejected"] == 1, 2 * IDLE + 1)
                assert time.monotonic() - last_byte <= 2 * IDLE
                assert engine.health_status == 200
                assert gateway.metric('slipway_gateway_hangs_total{model="m"}') >= 1
                asked = len(engine.calls)
                started = time.monotonic()
                for _ in range(20):
                    assert ask(gateway, stream=True).body.endswith(b"data: [DONE]\n\n")
                assert time.monotonic() - started < 5
                # No client's request was spent on finding out whether it works again: the gateway asks itself.
                trials = [call for call in engine.calls[asked:] if call.headers["x-request-id"] != "slipway-trial"]
                assert trials == []
                engine.acts_as = None
                wait_until("taken back", lambda: replicas(gateway)["trusted"] == 2, 15)


def test_06_a_long_silent_generation_is_not_a_hang(engine: FakeEngine, tmp_path: Path) -> None:
    """An answer that is not streamed is silent until it is done: no reason to eject."""
    engine.pause = 2.5 * IDLE
    with FakeEngine() as other:
        other.pause = engine.pause
        with start_gateway(tmp_path, configuration({"m": model([engine, other])})) as gateway:
            settle(gateway, 2)
            running = [in_background(lambda: ask(gateway)) for _ in range(4)]
            for thread, answers in running:
                thread.join(10)
                assert answers[0].status == 200
            assert replicas(gateway)["trusted"] == 2
            assert gateway.metric('slipway_gateway_ejections_total{model="m"}') == 0


def test_06_long_streams_are_not_a_hang(engine: FakeEngine, tmp_path: Path) -> None:
    """Streams that last longer than the limit, but never pause that long."""
    engine.acts_as = "long"
    with FakeEngine() as other:
        other.acts_as = "long"
        with start_gateway(tmp_path, configuration({"m": model([engine, other])})) as gateway:
            settle(gateway, 2)
            running = [in_background(lambda: ask(gateway, stream=True)) for _ in range(4)]
            for thread, answers in running:
                thread.join(10)
                assert answers[0].body.endswith(b"data: [DONE]\n\n")
            assert gateway.metric('slipway_gateway_ejections_total{model="m"}') == 0
