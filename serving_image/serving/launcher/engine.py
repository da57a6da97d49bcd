"""One engine: started on a free port with a key of its own, watched, started again when it crashes, ended when idle."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import secrets
import shutil
import socket
import sys
import time
from pathlib import Path

import aiohttp
import psutil

from serving.launcher.back_off import BackOff
from serving.launcher.child import KILL_SECONDS, Child
from serving.launcher.node import Node
from serving.launcher.process_log import Logs
from serving.launcher.refusal import Refusal
from serving.launcher.specification import EngineSpecification

LOG = logging.getLogger("slipway.launcher")
POLL_SECONDS = 0.1
ANSWER_SECONDS = 5.0
# An engine may compute something to answer this.
LEADER_POLL_SECONDS = 1.0
# What stands in for an engine's binary where it is not on PATH: a module here, and the wheel that it needs.
STAND_INS = {"llama-server": ("serving.launcher.llama_server", "xllamacpp")}


class Engine:
    """Owns one engine process and its successors after a crash. `url` and `key_file` stay the same through them."""

    def __init__(self, name: str, spec: EngineSpecification, weights: Path | str, folder: Path, logs: Logs) -> None:
        self.name, self._spec, self._weights = name, spec, weights
        self.key_file = Path(spec.key_file) if spec.key_file else folder / f"engine-{name}.key"
        self._log = logs(f"engine-{name}")
        self._node = Node.here() if spec.node else None
        self.restarts = 0
        self._key = ""
        self._port = 0
        self._child: Child | None = None
        self._stopping = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """At 127.0.0.1; 0 before it is started."""
        return self._port

    @property
    def readiness_path(self) -> str:
        return self._spec.readiness_path

    @property
    def metrics_path(self) -> str:
        return self._spec.metrics_path

    @property
    def readiness_url(self) -> str:
        """Answers 200 when it is ready."""
        return self.url + self._spec.readiness_path

    @property
    def is_node(self) -> bool:
        """Whether it is one of several nodes of a replica."""
        return self._node is not None

    @property
    def answers(self) -> bool:
        """Whether it has an API."""
        return self._spec.node != "worker"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.running else None

    async def start(self) -> None:
        """Starts it and returns when it is ready. Raises Refusal when it ends or is not ready in time."""
        self._key = self._own_key() if self._spec.key_file is None else read_key(self.key_file)
        self._port = self._spec.port or free_port()
        if self._node:
            await self._node.wait_for_leader(self._spec.start_seconds)
        await self._launch()
        if self.answers:
            await self._wait_until_ready()

    async def watch(self) -> None:
        """Starts it again whenever it ends, with growing waits, until `stop` is called. One of several nodes is only
        started again with all the others: then it returns."""
        back_off = BackOff()
        while self._child is not None:
            started = time.monotonic()
            code = await self._child.wait()
            if self._stopping:
                return
            if self._node:
                LOG.error(
                    "engine %s ended with code %s, and with it the replica: all its nodes start again", self.name, code
                )
                return
            wait = back_off.after(time.monotonic() - started)
            LOG.error("engine %s ended with code %s; starting it again in %.2f s", self.name, code, wait)
            await asyncio.sleep(wait)
            if self._stopping:
                return
            self.restarts += 1
            try:
                await self._launch()
            except (Refusal, OSError) as problem:  # its program is gone, the disk is full: try again later
                LOG.error("engine %s cannot be started: %s", self.name, problem)

    async def stop(self, drain_seconds: float) -> None:
        """Ends it once it is idle, or when `drain_seconds` have passed."""
        self._stopping = True
        if self._child is None:
            return
        if not self.answers:
            await self._wait_until_leader_ended(drain_seconds)
            drain_seconds = 0.0
        elif not self._spec.drains_on_sigterm:
            await self._wait_until_idle(drain_seconds)
        await self._child.stop(KILL_SECONDS if not self._spec.drains_on_sigterm else drain_seconds + KILL_SECONDS)

    async def _launch(self) -> None:
        values = {"{weights}": str(self._weights), "{port}": str(self._port), "{key_file}": str(self.key_file)}
        values["{threads}"] = str(threads_to_use())
        arguments = (values.get(a, a) for a in self._spec.arguments)
        command = [*executable(self._spec.command), *(map(self._node.filled, arguments) if self._node else arguments)]
        environment = dict(self._spec.environment)
        if self._spec.key_environment:
            # In its environment alone: neither in a file of the deployment nor in the list of processes.
            environment[self._spec.key_environment] = self._key
        self._child = await Child.start(command, environment=environment, log=self._log)

    def _own_key(self) -> str:
        key = secrets.token_urlsafe(32)
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(key + "\n", encoding="ascii")
        return key

    async def _wait_until_ready(self) -> None:
        assert self._child is not None
        deadline = time.monotonic() + self._spec.start_seconds
        while time.monotonic() < deadline:
            if not self._child.running:
                raise Refusal(
                    where=f"engine of model `{self.name}`",
                    found=f"it ended while starting (code {await self._child.wait()}):\n{self._log.last_words()}",
                    allowed="an engine that starts",
                    remedy=f"read {self._log.place}; a model too large for this machine ends like this too",
                )
            answer = await self.get(self._spec.readiness_path, ANSWER_SECONDS)
            if answer is not None and answer[0] == 200:
                return
            await asyncio.sleep(POLL_SECONDS)
        raise Refusal(
            where=f"engine of model `{self.name}`",
            found=f"not ready after {self._spec.start_seconds} s",
            allowed="ready within that time",
            remedy=f"read {self._log.place}",
        )

    async def _wait_until_idle(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            answer = await self.get(self._spec.metrics_path, min(left, ANSWER_SECONDS))
            if answer is None:  # nothing listens any more: there is nothing to wait for
                return
            status, metrics = answer
            running = (series(metrics, name) for name in (self._spec.running_metric, self._spec.queued_metric))
            # An engine may be too busy to answer this: only its word that nothing runs counts.
            if status == 200 and not sum(running):
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _wait_until_leader_ended(self, seconds: float) -> None:
        """Its answers are computed here too: until then this node is a part of every one."""
        assert self._node is not None
        leader = f"http://{self._node.leader_address}:{self._port}"
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self._child is not None and self._child.running:
            if await self.get(self._spec.readiness_path, min(left, ANSWER_SECONDS), leader) is None:
                return
            await asyncio.sleep(LEADER_POLL_SECONDS)

    async def get(self, path: str, seconds: float, origin: str | None = None) -> tuple[int, str] | None:
        """Status and text; status 0 when it does not answer in time or breaks off; None when nothing listens."""
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session,
                session.get((origin or self.url) + path, headers=headers) as answer,
            ):
                return answer.status, await answer.text()
        except aiohttp.ClientConnectorError:
            return None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, ""


def executable(command: list[str]) -> list[str]:
    """The command as it can be run here: from PATH, or a module that stands in for it. Raises Refusal."""
    name, *rest = command
    if found := shutil.which(name):
        return [found, *rest]
    module, wheel = STAND_INS.get(name, ("", ""))
    if wheel and importlib.util.find_spec(wheel) is not None:
        return [sys.executable, "-m", module, *rest]
    raise Refusal(
        where=f"engine command `{name}`",
        found="neither on PATH nor as a wheel",
        allowed=f"`{name}` on PATH" + (f", or the package `{wheel}`" if wheel else ""),
        remedy=f"install `{name}`" + (f" or run `pip install {wheel}`" if wheel else ""),
    )


def threads_to_use() -> int:
    """Real cores but one, at least one: the last is for the gateway and everybody else. An engine that has them all
    computes in lockstep with whatever shares one of them. On a busy machine with two cores, 20 streams of 8 tokens took
    1.1 to 5.6 s with two threads and 1.6 to 2.7 s with one, a single stream 0.3 to 2.1 s and 0.3 to 0.4 s (2026-11)."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable) - 1)


def read_key(path: Path) -> str:
    """The engine's key in a file that was put there for both. Raises Refusal that does not show it."""
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        key, found = "", f"{type(error).__name__} while reading it"
    else:
        found = "no single word of printable ASCII"
    if not key or not key.isprintable() or " " in key:
        raise Refusal(
            where=f"engine key in {path}",
            found=found,
            allowed="one key",
            remedy="mount the secret with the engine's key there",
        )
    return key


def free_port() -> int:
    """A TCP port that was free a moment ago. Another process may take it first; the engine then fails to start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def series(metrics: str, name: str) -> float:
    """The sum of a metric's samples in Prometheus' text format."""
    samples = (line for line in metrics.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
    return sum(float(line.rsplit(" ", 1)[1]) for line in samples)
