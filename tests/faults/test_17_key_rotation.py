"""Experiment 17: a key is rotated at 200 requests a second. Pass: no request with a valid key fails, and the old key is
dead within 5 s of the reload that takes it away, or of its expiry."""

from __future__ import annotations

import datetime
import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import GatewayProcess, ask, chat, configuration, sha, start_gateway
from tests.serving.upstream import FakeEngine

OLD, NEW = "sk-rotated-old", "sk-rotated-new"
RATE = 200
CLIENTS = 4


class Askers:
    """Clients that together ask 200 times a second, each with the key that is valid then."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.key = OLD
        self.done = 0
        self.failed: list[str] = []
        self._port = gateway.port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        next_at = time.monotonic()
        while not self._stop.is_set():
            try:
                status = ask(connection, "POST", "/v1/chat/completions", chat("ok"), self.key).status
            except (OSError, http.client.HTTPException) as error:
                status = repr(error)
                connection.close()
            self.done += 1
            if status != 200:
                self.failed.append(str(status))
            next_at += CLIENTS / RATE
            time.sleep(max(0.0, next_at - time.monotonic()))
        connection.close()


def dead_after(gateway: GatewayProcess, since: float) -> float:
    """Seconds from `since` until the old key gets a 401."""
    while gateway.request(body=chat("ok"), key=OLD).status != 401:
        assert time.monotonic() - since < 10
        time.sleep(0.01)
    return time.monotonic() - since


@pytest.mark.timeout(300)
def test_a_rotation_fails_no_valid_request_and_ends_the_old_key(
    engine: FakeEngine, tmp_path: Path, times: Times
) -> None:
    seconds = times(20, 4, "seconds")
    config = configuration(engine.url, tmp_path)
    keys: list[dict[str, Any]] = [{"sha256": sha(OLD)}]
    config["clients"]["dev"] |= {"key_sha256": [], "keys": keys}
    file = tmp_path / "gateway.json"

    def reload(gateway: GatewayProcess) -> None:
        file.write_text(json.dumps(config))
        gateway.hang_up()
        assert gateway.notified().startswith("reloaded ")

    with start_gateway(tmp_path, config) as gateway, Askers(gateway) as askers:
        pause: Callable[[], None] = lambda: time.sleep(seconds / 4)  # noqa: E731
        pause()
        keys.append({"sha256": sha(NEW)})
        reload(gateway)
        pause()
        askers.key = NEW
        time.sleep(0.5)  # what was sent with the old key has been answered
        del keys[0]
        taken_away = time.monotonic()
        reload(gateway)
        assert dead_after(gateway, taken_away) <= 5
        pause()
        # The same without a second reload: the old key is given an end.
        askers.key = NEW
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1.5)
        keys.append({"sha256": sha(OLD), "expires": ends.isoformat()})
        reload(gateway)
        assert gateway.request(body=chat("ok"), key=OLD).status == 200
        until = ends.timestamp() - time.time()
        expired = time.monotonic() + until
        time.sleep(max(0.0, until))
        assert dead_after(gateway, expired) <= 5
        pause()
    assert askers.failed == []
    assert askers.done > seconds * RATE / 3
