"""The real engine's life under the launcher: loading, crashing, draining, and making room for its successor."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.running import (
    Launcher,
    alive,
    chat,
    free_port,
    launchers,
    marked,
    planned,
    request,
    stream,
    streams,
    until,
    whole,
)

STORY = "Write a very long story about the sea."
Start = Callable[..., Launcher]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with launchers(tmp_path, real=True) as start:
        yield start


def specification(**changes: Any) -> dict[str, Any]:
    return planned(port=free_port(), operations=free_port(), **changes)


def test_a_larger_context_while_twenty_streams_run(start: Start) -> None:
    """Every stream completes, and then only the new generation is left."""
    spec = specification()
    first = start(spec).ready()
    with streams(first.port, 20, 40, prompt=STORY, wait_for=2) as running:
        larger = planned(port=first.port, operations=first.operations, chat={"context_tokens": 4096})
        second = start(larger, first).ready(40)
        assert first.process.poll() is None, "the former generation did not wait for its streams"
        whole(running)
    assert first.ended() == 0, first.tails()
    assert "16384" in second.engine().cmdline()
    assert second.answers()


def test_killed_engine_answers_again_within_five_seconds(start: Start) -> None:
    served = start(specification()).ready()
    killed = served.engine()
    killed.kill()
    began = time.monotonic()
    until(served.answers, 5, lambda: f"no answer after the engine's crash\n{served.tails()}")
    assert time.monotonic() - began < 5
    assert served.engine().pid != killed.pid
    assert "engine chat ended with code -9; starting it again in 0.25 s" in served.log()


def test_without_a_gateway_sigterm_waits_until_the_engine_is_idle(start: Start) -> None:
    """As in a container, where the gateway runs elsewhere."""
    spec = {**specification(), "gateway": None}
    served = start(spec).ready()
    port, key = engine_address(served)
    prompt = {**chat(60, stream=True, prompt=STORY), "ignore_eos": True}
    connection, answer = opened(port, prompt, key)
    served.send(signal.SIGTERM)
    time.sleep(0.3)
    assert served.process.poll() is None, "it did not wait for the stream"
    text = answer.read().decode()
    connection.close()
    assert text.rstrip().endswith("data: [DONE]"), text[-500:]
    assert served.ended(5) == 0, served.tails()


def test_without_a_gateway_the_wait_has_an_end(start: Start) -> None:
    spec = {**specification(), "gateway": None}
    spec["engines"]["chat"]["drain_seconds"] = 1
    served = start(spec).ready()
    port, key = engine_address(served)
    connection, _ = opened(port, {**chat(1500, stream=True, prompt=STORY), "ignore_eos": True}, key)
    began = time.monotonic()
    served.send(signal.SIGTERM)
    assert served.ended(6) == 0, served.tails()
    assert 0.9 < time.monotonic() - began < 4
    connection.close()


def test_sigterm_while_the_model_loads(start: Start) -> None:
    served = start(specification())
    engine = served.engine()
    until(lambda: engine.memory_info().rss > 50_000_000 or served.status()["state"] == "ready", 10, "not loading")
    began = time.monotonic()
    served.send(signal.SIGTERM)
    assert served.ended(5) == 0, served.tails()
    assert time.monotonic() - began < 2
    assert marked(served.folder) == []
    assert not alive(engine)


def test_killed_launcher_takes_everything_along_and_can_be_followed(start: Start) -> None:
    spec = specification()
    first = start(spec).ready()
    children = [first.engine(), first.gateway()]
    first.process.kill()
    first.process.wait()
    until(lambda: not any(map(alive, children)), 1, "engine or gateway outlived the launcher")
    second = start(spec, first).ready()
    assert stream(second.port, 4).done
    assert request(second.operations, "/ready")[0] == 200


def engine_address(served: Launcher) -> tuple[int, str]:
    port = next(c.laddr.port for c in served.engine().net_connections() if c.status == "LISTEN")
    return port, (served.folder / "engine-chat.key").read_text().strip()


def opened(port: int, body: dict[str, Any], key: str) -> Any:
    """A connection and an answer of which the first piece has come."""
    import http.client
    import json

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read1(10)
    return connection, answer
