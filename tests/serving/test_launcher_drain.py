"""SIGTERM: what runs is finished, within a bound; what has not begun to serve ends at once; nothing is left."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.running import Launcher, chat, launchers, marked, request, streams, toy, until, whole

Start = Callable[..., Launcher]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with launchers(tmp_path) as start:
        yield start


def closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_in_flight_are_finished(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    served = start(toy(tmp_path)).ready()
    with streams(served.port, 10, 40) as running:
        served.send(number)
        served.until(lambda: served.status()["state"] == "draining", 2, "it does not drain")
        until(lambda: closed(served.port), 2.5, "it still listens")
        assert not any(future.done() for future in running)
        whole(running)
    assert served.ended(5) == 0, served.tails()
    assert marked(served.folder) == []


def test_idle_ends_soon(start: Start, tmp_path: Path) -> None:
    served = start(toy(tmp_path)).ready()
    began = time.monotonic()
    served.send(signal.SIGTERM)
    assert served.ended(5) == 0, served.tails()
    assert time.monotonic() - began < 4
    assert closed(served.port)
    assert closed(served.operations)


def test_grace_exceeded(start: Start, tmp_path: Path) -> None:
    """Streams over the bound are told so, and do not look complete."""
    spec = toy(tmp_path)
    spec["gateway"]["drain_seconds"] = 1
    served = start(spec).ready()
    began = time.monotonic()
    with streams(served.port, 3, 400) as running:
        served.send(signal.SIGTERM)
        assert served.ended(8) == 0, served.tails()
    assert 1 < time.monotonic() - began < 6
    results = [future.result(10) for future in running]
    assert not any(result.done for result in results)
    assert all('"error"' in result.raw for result in results), results[0].raw[-500:]
    assert marked(served.folder) == []


def test_sigterm_in_the_middle_of_a_restart_leaves_nothing(start: Start, tmp_path: Path) -> None:
    """A gateway that would be started again must not come up beside what follows."""
    spec = toy(tmp_path)
    spec["engines"]["chat"]["environment"] = {"TOY_METRICS_SECONDS": "0.8"}  # the engine's end takes its time
    served = start(spec).ready()
    served.until(lambda: '"event":"ready"' in served.log("gateway"), 2, "the gateway does not serve")
    served.gateway().kill()
    served.until(lambda: "starting it again" in served.log(), 2, "the crash was not noticed")
    served.send(signal.SIGTERM)
    assert served.ended(5) == 0, served.tails()
    assert marked(served.folder) == []
    assert served.log("gateway").count('"event":"ready"') == 1


def test_sigterm_while_loading(start: Start, tmp_path: Path) -> None:
    spec = toy(tmp_path)
    spec["engines"]["chat"]["environment"] = {"TOY_LOAD_SECONDS": "600"}
    served = start(spec)
    served.until(lambda: served.status().get("step") == "loading models", 10, "it does not load")
    served.engine()
    began = time.monotonic()
    served.send(signal.SIGTERM)
    assert served.ended(5) == 0, served.tails()
    assert time.monotonic() - began < 2
    assert marked(served.folder) == []
    assert closed(served.port)


def engine_only(folder: Path, **environment: str) -> dict[str, Any]:
    spec = toy(folder)
    spec["engines"]["chat"]["environment"] = environment
    spec["engines"]["chat"]["drain_seconds"] = 20
    return {**spec, "gateway": None}


def engine_port(served: Launcher) -> tuple[int, dict[str, str]]:
    arguments = served.engine().cmdline()
    key = (served.folder / "engine-chat.key").read_text().strip()
    return int(arguments[arguments.index("--port") + 1]), {"Authorization": f"Bearer {key}"}


def test_engine_without_a_gateway_is_waited_for(start: Start, tmp_path: Path) -> None:
    served = start(engine_only(tmp_path)).ready()
    port, headers = engine_port(served)
    text = asked_while_ending(served, port, headers, tokens=30)
    assert "tick" in text
    assert served.ended(3) == 0, served.tails()


def asked_while_ending(served: Launcher, port: int, headers: dict[str, str], tokens: int) -> str:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(request, port, "/v1/chat/completions", chat(tokens), headers=headers)
        time.sleep(0.3)
        served.send(signal.SIGTERM)
        time.sleep(0.3)
        assert served.process.poll() is None
        try:
            status, text = asked.result(20)
        except OSError as error:
            return repr(error)
    assert status == 200
    return text
