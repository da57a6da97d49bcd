"""The gateway as a child: gets its sockets, its configuration with the engines' addresses, and says when it serves."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serving.launcher.back_off import BackOff
from serving.launcher.child import Child
from serving.launcher.engine import Engine
from serving.launcher.process_log import Logs
from serving.launcher.refusal import Refusal
from serving.launcher.specification import GatewaySpecification

LOG = logging.getLogger("slipway.launcher")
# Stands for the address of a model's engine in a specification.
OWN_ENGINE = "{engine}"
START_SECONDS = 30.0
RELOAD_SECONDS = 10.0
# After SIGTERM it accepts nothing more: a successor has the same sockets, and its readiness must not look like ours.
ACCEPT_SECONDS = 0
# After the streams' own limit it still tells the streams that are left, closes idle connections and ends.
END_SECONDS = 6
# In the order of the listeners that a generation hands over; one without a status page has no third.
LISTENER_OPTIONS = ("--listen-fd", "--operations-fd", "--admin-fd")


class GatewayProcess:
    """Owns the gateway process and its successors after a crash; the sockets outlive them."""

    def __init__(
        self, spec: GatewaySpecification, listeners: tuple[socket.socket, ...], folder: Path, logs: Logs
    ) -> None:
        self._spec, self._listeners, self._log = spec, listeners, logs("gateway")
        self._config = folder / "gateway.json"
        self._child: Child | None = None
        self._notices: asyncio.StreamReader | None = None
        self._stopping = False
        # A reload in the middle of a start would be taken for an end (SIGHUP), and its notice for another's.
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.running else None

    async def start(self, engines: Mapping[str, Engine]) -> None:
        """Starts it and returns when it serves. Raises Refusal."""
        self.write_config(self._spec.config, engines)
        await self._launch()

    async def reload(self, config: Mapping[str, Any], engines: Mapping[str, Engine]) -> None:
        """Makes it use another configuration without ending a request. Raises Refusal, and then it uses the old one."""
        async with self._turn:
            assert self._child is not None
            if not self._child.running:
                raise self._refusal("it has ended and is about to be started again")
            before = self._config.read_bytes()
            digest = self.write_config(config, engines)
            self._child.signal(signal.SIGHUP)
            notice = await self._notice(RELOAD_SECONDS)
            while notice.startswith("reloaded ") and notice != f"reloaded {digest}":  # late word of an earlier reload
                notice = await self._notice(RELOAD_SECONDS)
            if notice != f"reloaded {digest}":
                _write(self._config, before)
                raise self._refusal(notice.removeprefix("refused ") or "it did not answer")

    async def watch(self) -> None:
        """Starts it again whenever it ends, until `stop` is called."""
        back_off = BackOff()
        while self._child is not None:
            started = time.monotonic()
            code = await self._child.wait()
            if self._stopping:
                return
            wait = back_off.after(time.monotonic() - started)
            LOG.error("the gateway ended with code %s; starting it again in %.2f s", code, wait)
            await asyncio.sleep(wait)
            if self._stopping:
                return
            try:
                await self._launch()
            except (Refusal, OSError) as problem:
                LOG.error("%s", problem)

    async def stop(self) -> None:
        """It stops accepting, finishes its streams within its drain time, and ends."""
        self._stopping = True
        if self._child is not None:
            await self._child.stop(ACCEPT_SECONDS + self._spec.drain_seconds + END_SECONDS)

    def write_config(self, config: Mapping[str, Any], engines: Mapping[str, Engine]) -> str:
        """Writes its configuration with the engines' addresses; returns the digest by which it confirms a reload."""
        models = {
            name: {**model, "upstreams": [_with_address(upstream, engines[name]) for upstream in model["upstreams"]]}
            if name in engines
            else model
            for name, model in config["models"].items()
        }
        content = json.dumps({**config, "models": models}, indent=2).encode()
        _write(self._config, content)
        return hashlib.sha256(content).hexdigest()

    async def _launch(self) -> None:
        async with self._turn:
            await self._launch_in_turn()

    async def _launch_in_turn(self) -> None:
        descriptors = tuple(listener.fileno() for listener in self._listeners)
        listening = (
            f"{option}={descriptor}" for option, descriptor in zip(LISTENER_OPTIONS, descriptors, strict=False)
        )
        read, write = os.pipe()
        command = [
            *(sys.executable, "-m", "serving.gateway", "--config", str(self._config)),
            *(*listening, "--notify-fd", str(write)),
            *(("--contained", self._spec.contained_file) if self._spec.contained_file else ()),
            *(("--released", self._spec.released_file) if self._spec.released_file else ()),
            *("--accept-seconds", str(ACCEPT_SECONDS), "--drain-seconds", str(self._spec.drain_seconds)),
        ]
        try:
            self._child = await Child.start(command, environment={}, log=self._log, inherit=(*descriptors, write))
        finally:
            os.close(write)
        self._notices = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._notices),  # pyright: ignore[reportArgumentType]
            os.fdopen(read, "rb"),
        )
        notice = await self._notice(START_SECONDS)
        if notice != "ready":
            self._child.signal(signal.SIGKILL)
            await self._child.wait()
            raise self._refusal(notice or self._log.last_words())

    async def _notice(self, seconds: float) -> str:
        """Its next notice; empty when it ended or said nothing in time."""
        assert self._notices is not None
        try:
            return (await asyncio.wait_for(self._notices.readline(), seconds)).decode("utf-8", "replace").strip()
        except TimeoutError:
            return ""

    def _refusal(self, found: str) -> Refusal:
        return Refusal(
            where="gateway",
            found=found,
            allowed="a gateway that accepts its configuration",
            remedy=f"read {self._log.place}",
        )


def _with_address(upstream: dict[str, Any], engine: Engine) -> dict[str, Any]:
    """An upstream as it is; the one that stands for an engine of ours gets its address and key."""
    if upstream.get("url") != OWN_ENGINE:
        return upstream
    return {**upstream, "url": engine.url, "key_file": str(engine.key_file)}


def _write(path: Path, content: bytes) -> None:
    """All or nothing, readable by this user only."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    partial.replace(path)
