"""Probes of a container, each asked at its own pace: startup first, then readiness and liveness."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Mapping
from typing import Any

from tests.cluster.pod_container import Container

Object = Mapping[str, Any]
GOOD = range(200, 400)
# What the API server fills in; a manifest that was applied has them all.
DEFAULTS = {"periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3, "successThreshold": 1}


class Probes:
    """Of one run of a container. `ready` and `alive` are what they have said so far, `started` that it may be used."""

    def __init__(self, spec: Object, container: Container, address: str) -> None:
        self._spec, self._container, self._address = spec, container, address
        self._ended = threading.Event()
        self.started = "startupProbe" not in spec
        self.ready = self.started and "readinessProbe" not in spec
        self.alive = True
        self._threads = [threading.Thread(target=self._first, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """No more is asked; what is being asked is not waited for."""
        self._ended.set()

    def _first(self) -> None:
        if probe := self._spec.get("startupProbe"):
            self._follow(probe, self._startup)
        if self._ended.is_set():
            return
        if "readinessProbe" not in self._spec:
            self.ready = True
        if probe := self._spec.get("livenessProbe"):
            threading.Thread(target=self._follow, args=(probe, self._liveness), daemon=True).start()
        if probe := self._spec.get("readinessProbe"):
            self._follow(probe, self._readiness)

    def _startup(self, good: bool) -> bool:
        self.started, self.alive = good, good
        return False  # decided, either way

    def _readiness(self, good: bool) -> bool:
        self.ready = good
        return True

    def _liveness(self, good: bool) -> bool:
        self.alive = good
        return good

    def _follow(self, probe: Object, tell: Any) -> None:
        """Asks until `tell` wants no more. `tell` hears of it once a threshold is reached."""
        probe = {**DEFAULTS, **probe}
        successes = failures = 0
        if self._ended.wait(probe.get("initialDelaySeconds", 0)):
            return
        while True:
            good = self._ask(probe)
            if self._ended.is_set():
                return
            successes, failures = (successes + 1, 0) if good else (0, failures + 1)
            if successes >= probe["successThreshold"] and not tell(True):
                return
            if failures >= probe["failureThreshold"] and not tell(False):
                return
            if self._ended.wait(probe["periodSeconds"]):
                return

    def _ask(self, probe: Object) -> bool:
        seconds = probe["timeoutSeconds"]
        if action := probe.get("exec"):
            return self._container.run(action["command"], seconds) == 0
        if action := probe.get("tcpSocket"):
            try:
                socket.create_connection((self._address, port(self._spec, action["port"])), seconds).close()
            except OSError:
                return False
            return True
        return ask_http(self._spec, probe["httpGet"], self._address, seconds)


def ask_http(spec: Object, action: Object, address: str, seconds: float) -> bool:
    connection = http.client.HTTPConnection(address, port(spec, action["port"]), timeout=seconds)
    try:
        connection.request("GET", action.get("path", "/"), headers={"User-Agent": "kube-probe/1.35"})
        return connection.getresponse().status in GOOD
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def port(spec: Object, wanted: int | str) -> int:
    """A port by its number or its name."""
    if isinstance(wanted, int):
        return wanted
    return next(entry["containerPort"] for entry in spec["ports"] if entry["name"] == wanted)
