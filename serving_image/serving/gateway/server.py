"""The process's life: open the listeners, obey signals, reload, drain, end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from serving.gateway.application import PublicApplication
from serving.gateway.config import ConfigProblem, GatewayConfig, load_config
from serving.gateway.journal import Journal, JournalHandler
from serving.gateway.lifeline import Cause
from serving.gateway.listener import Listener, Traffic
from serving.gateway.metrics import Metrics
from serving.gateway.operations import OperationsApplication
from serving.gateway.policy import Policy
from serving.gateway.probing import probe_forever
from serving.gateway.state import GatewayState
from serving.gateway.upstream_aiohttp import AiohttpUpstream

IDLE_GRACE_SECONDS = 1.0
"""How long a kept connection must be silent, after the listeners closed and after its last answer, before it is
closed: a client that sends its next request by then is still served."""
_CUT_SECONDS = 3.0
_STEP_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, with sockets already open."""

    config_file: Path
    public: socket.socket
    operations: socket.socket
    notify_descriptor: int | None
    accept_seconds: float
    drain_seconds: float | None


class Gateway:
    """One gateway process."""

    def __init__(self, options: Options, config: GatewayConfig, journal: Journal) -> None:
        self._options = options
        self._journal = journal
        self._state = GatewayState(Policy(config))
        self._metrics = Metrics()
        self._traffic = Traffic(config.limits)
        self._upstreams = AiohttpUpstream()
        self._stop = asyncio.Event()
        keep_alive = config.limits.keep_alive_seconds
        public = PublicApplication(self._state, self._upstreams, self._metrics, journal)
        operations = OperationsApplication(self._state, self._metrics)
        self._public = Listener(public, self._traffic, keep_alive)
        self._operations = Listener(operations, self._traffic, keep_alive)
        self._listeners = (self._public, self._operations)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain."""
        _route_library_logs(self._journal)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        background = [
            loop.create_task(probe_forever(self._state, self._upstreams)),
            loop.create_task(self._keep_date()),
        ]
        await self._public.open(self._options.public)
        await self._operations.open(self._options.operations)
        # What lives now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        self._journal.note("ready", config_sha256=self._state.policy.sha256)
        self._notify("ready")
        try:
            await self._stop.wait()
            await self._drain()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._upstreams.close()
            self._journal.flush()

    async def _keep_date(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for listener in self._listeners:
                await listener.on_tick(0)  # renews the Date header

    def _reload(self) -> None:
        try:
            config = load_config(self._options.config_file)
        except ConfigProblem as problem:
            self._metrics.reloads.labels("refused").inc()
            self._journal.note("reload_refused", "error", problems=problem.problems)
            self._notify(f"refused {problem}")
            return
        self._state.policy = Policy(config, self._state.policy)
        self._traffic.adopt(config.limits)
        for listener in self._listeners:
            listener.keep_alive(config.limits.keep_alive_seconds)
        self._metrics.reloads.labels("done").inc()
        self._journal.note("reloaded", config_sha256=config.sha256)
        self._notify(f"reloaded {config.sha256}")

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        self._state.draining = self._traffic.draining = True
        self._journal.note("draining", running=len(self._state.running))
        for listener in self._listeners:
            listener.begin_drain()
        await asyncio.sleep(self._options.accept_seconds)
        for listener in self._listeners:
            await listener.stop_accepting()
        end = loop.time() + self._drain_seconds()
        # The grace is counted from here: until now a load balancer may have used any kept connection.
        close_idle_from = loop.time() + IDLE_GRACE_SECONDS
        # Polled: an event per connection would cost every request something for a wait that happens once.
        while self._open_connections(loop.time() >= close_idle_from) and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(_STEP_SECONDS)
        await self._cut_the_rest(loop)
        self._journal.note("drained")

    def _open_connections(self, close_idle: bool) -> int:
        left = len(self._state.running)
        for listener in self._listeners:
            left += listener.close_idle(IDLE_GRACE_SECONDS) if close_idle else len(listener.connections())
        return left

    async def _cut_the_rest(self, loop: asyncio.AbstractEventLoop) -> None:
        """Requests over the drain limit end with an error that says so, then connections are cut."""
        if self._state.running:
            self._journal.note("drain_limit", "warning", cut=len(self._state.running))
        for life in list(self._state.running):
            life.cut(Cause.DRAINED)
        end = loop.time() + _CUT_SECONDS
        while self._state.running and loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(_STEP_SECONDS)
        for listener in self._listeners:
            listener.close_idle(0.0)
        await asyncio.sleep(_STEP_SECONDS)
        for listener in self._listeners:
            listener.abort_all()
        await asyncio.sleep(0)

    def _drain_seconds(self) -> float:
        """As given, otherwise longer than the longest generation: a drain then cuts nothing."""
        if self._options.drain_seconds is not None:
            return self._options.drain_seconds
        models = self._state.policy.models.values()
        return 5.0 + max((model.longest_generation_seconds for model in models), default=0.0)

    def _notify(self, text: str) -> None:
        descriptor = self._options.notify_descriptor
        if descriptor is None:
            return
        line = " ".join(text.split())[:4000] + "\n"
        # Whoever started us may have stopped listening; that is no reason to stop serving.
        with contextlib.suppress(OSError):
            os.write(descriptor, line.encode())


def _route_library_logs(journal: Journal) -> None:
    handler = JournalHandler(journal)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # One line per malformed request would let anyone fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
