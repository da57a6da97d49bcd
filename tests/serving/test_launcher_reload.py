"""SIGHUP: another gateway configuration without dropping a stream; one that is refused changes nothing."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.launcher.gateway_process import GatewayProcess
from serving.launcher.process_log import JsonLog
from serving.launcher.specification import GatewaySpecification
from tests.serving.running import KEY, Launcher, chat, launchers, request, streams, toy, whole

OTHER = "sk-other-canary"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Launcher]:
    with launchers(tmp_path) as start:
        yield start(toy(tmp_path)).ready()


def status_of(served: Launcher, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return request(served.port, "/v1/chat/completions", chat(1), headers=headers)[0]


def reload(served: Launcher, change: Callable[[dict[str, Any]], None]) -> tuple[str, dict[str, Any]]:
    """Writes a changed specification and signals; its digest, and the status that follows."""
    before = served.status()["at"]
    spec = copy.deepcopy(served.specification)
    change(spec)
    digest = served.write(spec)
    served.send(signal.SIGHUP)
    served.until(lambda: served.status()["at"] > before, 10, "the reload was not answered")
    return digest, served.status()


def other_key(spec: dict[str, Any]) -> None:
    digest = hashlib.sha256(OTHER.encode()).hexdigest()
    spec["gateway"]["config"]["clients"]["dev"]["key_sha256"] = [digest]


def test_keys_and_limits_change_while_streams_run(served: Launcher) -> None:
    processes = [served.engine(), served.gateway()]

    def change(spec: dict[str, Any]) -> None:
        other_key(spec)
        spec["gateway"]["config"]["limits"]["body_bytes"] = 300

    with streams(served.port, 5, 20) as running:
        digest, status = reload(served, change)
        assert not any(future.done() for future in running)
        assert status["state"] == "ready"
        assert status["specification_sha256"] == digest
        assert status["problem"] is None
        assert status_of(served, KEY) == 401
        assert status_of(served, OTHER) == 200
        headers = {"Authorization": f"Bearer {OTHER}"}
        long = chat(1, prompt="x" * 500)
        assert request(served.port, "/v1/chat/completions", long, headers=headers)[0] == 413
        whole(running)
    assert [served.engine(), served.gateway()] == processes


def test_configuration_that_the_gateway_refuses(served: Launcher) -> None:
    before = served.status()["specification_sha256"]

    def change(spec: dict[str, Any]) -> None:
        other_key(spec)
        spec["gateway"]["config"]["limits"]["body_bytes"] = 0

    _, status = reload(served, change)
    assert status["state"] == "ready"
    assert status["specification_sha256"] == before
    assert status["problem"]["where"] == "gateway"
    assert "body_bytes" in status["problem"]["found"]
    assert status_of(served, KEY) == 200
    assert status_of(served, OTHER) == 401
    served.gateway().kill()  # what starts again has the old configuration too
    assert status_of(served, KEY) == 200
    _, status = reload(served, other_key)
    assert status["problem"] is None
    assert status_of(served, OTHER) == 200


def test_reloaded_configuration_outlives_a_crash_of_the_gateway(served: Launcher) -> None:
    reload(served, other_key)
    served.gateway().kill()
    assert status_of(served, OTHER) == 200
    assert status_of(served, KEY) == 401


NEEDS_A_NEW_GENERATION: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda spec: spec.update(surprise=1), "unknown field `surprise`"),
    (lambda spec: spec["engines"]["chat"]["arguments"].append("--x"), "more than the gateway's configuration"),
    (lambda spec: spec["gateway"].update(port=8419), "more than the gateway's configuration"),
    (lambda spec: spec["engines"].clear(), "more than the gateway's configuration"),
    (lambda spec: spec.update(gateway=None), "there is no gateway"),
    (lambda spec: spec["gateway"].update(config=[]), "Expected `object`"),
    (lambda spec: spec["gateway"]["config"].pop("models"), "Expected `object`"),
]


def test_anything_else_is_refused(served: Launcher) -> None:
    before = served.status()["specification_sha256"]
    for spoil, found in NEEDS_A_NEW_GENERATION:

        def change(spec: dict[str, Any], spoil: Callable[[dict[str, Any]], Any] = spoil) -> None:
            other_key(spec)
            spoil(spec)

        _, status = reload(served, change)
        assert found in status["problem"]["found"]
        assert (status["state"], status["specification_sha256"]) == ("ready", before)
        assert status_of(served, KEY) == 200
    assert "Traceback" not in served.log()


def test_many_at_once_end_with_the_last(served: Launcher) -> None:
    spec = copy.deepcopy(served.specification)
    for body_bytes in range(1000, 1020):
        spec["gateway"]["config"]["limits"]["body_bytes"] = body_bytes
        digest = served.write(spec)
        served.send(signal.SIGHUP)
        time.sleep(0.001)  # less than a reload takes
    served.until(lambda: served.status()["specification_sha256"] == digest, 10, "the last one is not in force")
    assert json.loads((served.folder / "gateway.json").read_text())["limits"]["body_bytes"] == 1019
    assert "Traceback" not in served.log()
    assert served.answers()


def test_before_it_is_ready_it_does_no_harm(tmp_path: Path) -> None:
    spec = toy(tmp_path)
    spec["engines"]["chat"]["environment"] = {"TOY_LOAD_SECONDS": "0.5"}
    with launchers(tmp_path) as start:
        served = start(spec)
        served.until(lambda: served.status().get("step") == "loading models", 10, "it does not load")
        served.send(signal.SIGHUP)
        assert served.ready().answers()


def test_while_the_gateway_is_being_started_again(served: Launcher) -> None:
    """It is refused or done, but neither lost nor the end of the gateway."""
    served.gateway().kill()
    digest, status = reload(served, other_key)
    if status["problem"]:
        assert status["problem"]["found"] in ("it has ended and is about to be started again", "it did not answer")
        assert status_of(served, KEY) == 200
    else:
        assert status["specification_sha256"] == digest
        assert status_of(served, OTHER) == 200


class SlowGateway:
    """A gateway's process that confirms a reload after a while, by the digest of what it read."""

    running = True

    def __init__(self, config: Path, notices: asyncio.StreamReader) -> None:
        self._config, self._notices = config, notices

    def signal(self, _number: signal.Signals) -> None:
        digest = hashlib.sha256(self._config.read_bytes()).hexdigest()
        asyncio.get_running_loop().call_later(0.05, self._notices.feed_data, f"reloaded {digest}\n".encode())


def test_reloads_wait_for_each_other(tmp_path: Path) -> None:
    """Each has the next notice for itself, and confirms what it wrote."""
    spec = GatewaySpecification(
        address="127.0.0.1",
        port=1,
        operations_address="127.0.0.1",
        operations_port=2,
        drain_seconds=1,
        config={"models": {}},
    )
    (tmp_path / "gateway.json").write_bytes(b"{}")

    async def scenario() -> None:
        gateway = GatewayProcess(spec, Any, tmp_path, JsonLog)
        notices = gateway._notices = asyncio.StreamReader()
        gateway._child = SlowGateway(tmp_path / "gateway.json", notices)
        notices.feed_data(b"reloaded 0000\n")  # late word of one that was given up
        await asyncio.gather(*(gateway.reload({"models": {}, "version": number}, {}) for number in range(3)))

    asyncio.run(scenario())


def test_what_is_blocked_is_followed_beside_whatever_is_deployed(tmp_path: Path) -> None:
    file = tmp_path / "contained.json"
    with launchers(tmp_path) as start:
        spec = toy(tmp_path)
        spec["gateway"]["contained_file"] = str(file)
        served = start(spec).ready()
        assert status_of(served, KEY) == 200
        file.write_text('{"clients": ["dev"]}')
        served.until(lambda: status_of(served, KEY) == 403, 20, "the block was not followed")
        _, status = reload(served, lambda spec: spec["gateway"]["config"]["limits"].update(body_bytes=300_000))
        assert status["problem"] is None, "a reload that was asked for gets its own answer"
        assert status_of(served, KEY) == 403, "no deployment lifts it"
        file.unlink()
        served.until(lambda: status_of(served, KEY) == 200, 20, "the lift was not followed")
