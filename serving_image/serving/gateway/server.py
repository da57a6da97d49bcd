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

from serving.gateway.admin.site import AdminSite
from serving.gateway.application import PublicApplication
from serving.gateway.audit.life import AuditLife
from serving.gateway.cache.metrics import CacheCollector
from serving.gateway.config import ConfigProblem, GatewayConfig, load_config
from serving.gateway.containment import digest_of_contained
from serving.gateway.deep_health import DeepHealth
from serving.gateway.identity.key_folder import digest_of_folder
from serving.gateway.identity.refreshing import refresh_keys_forever
from serving.gateway.identity.verdicts import TokenVerdicts
from serving.gateway.journal import Journal, JournalHandler
from serving.gateway.lifeline import Cause, keep_time
from serving.gateway.limits.metrics import LimitsCollector
from serving.gateway.listener import Listener, Traffic
from serving.gateway.metrics import Metrics
from serving.gateway.operations import OperationsApplication
from serving.gateway.policy import Policy
from serving.gateway.probing import probe_forever
from serving.gateway.routing.metrics import RoutingCollector
from serving.gateway.routing.upkeep import Upkeep
from serving.gateway.state import GatewayState
from serving.gateway.telemetry.tracing import TraceOutcomes
from serving.gateway.tls.reloading import PublicTls
from serving.gateway.upstream_aiohttp import AiohttpUpstream
from serving.gateway.upstream_by_scheme import UpstreamByScheme
from serving.gateway.upstream_certificates import UpstreamCertificates
from serving.gateway.upstream_http import HttpUpstream
from serving.gateway.waiting.limits import longest_life
from serving.gateway.watching import digest_of_file, watch
from serving.release.state import digest_of_released

IDLE_GRACE_SECONDS = 1.0
"""How long a kept connection must be silent, after the listeners closed and after its last answer, before it is
closed: a client that sends its next request by then is still served."""
_CUT_SECONDS = 3.0
AUDIT_NOT_FLUSHED = 1
"""Exit status when audit rows could not be written, or their segments not be sent, before the end."""
_STEP_SECONDS = 0.05
# How often the files with what is blocked and released are looked at, wherever the gateway runs.
RUN_TIME_SECONDS = 1.0
# A probe's own limit is 2 s; an engine that hangs must not keep the others from being served.
_FIRST_ROUND_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, with sockets already open."""

    config_file: Path
    public: socket.socket
    operations: socket.socket
    admin: socket.socket | None = None
    admin_hosts: tuple[str, ...] = ()
    watch_seconds: float | None = None
    client_keys: Path | None = None
    # Looked at like the file, each with its digest before its files were read.
    watched_folders: tuple[tuple[Path, str | None], ...] = ()
    # What is blocked, and its digest before it was read.
    contained: Path | None = None
    contained_digest: str | None = None
    # How far releases are, likewise.
    released: Path | None = None
    released_digest: str | None = None
    notify_descriptor: int | None
    accept_seconds: float
    drain_seconds: float | None


class Gateway:
    """One gateway process."""

    def __init__(self, options: Options, config: GatewayConfig, journal: Journal) -> None:
        self._options = options
        self._journal = journal
        self._state = GatewayState(Policy(config))
        self._audit = AuditLife(journal.note)
        self._state.policy.audit = self._audit.adopt(config.audit)
        self._metrics = Metrics()
        self._metrics.log_lines_dropped.set_function(lambda: journal.dropped)
        self._metrics.registry.register(LimitsCollector(self._state.policy.ledger))
        self._metrics.registry.register(RoutingCollector(lambda: self._state.policy.pools))
        self._metrics.registry.register(CacheCollector(lambda: self._state.policy.cache))
        self._metrics.registry.register(self._audit)
        self._metrics.registry.register(TokenVerdicts(self._state))
        self._metrics.registry.register(TraceOutcomes(self._state))
        self._metrics.adopt(config.telemetry, config.clients)
        self._metrics.adopt_contained(config.contained)
        self._shown = UpstreamCertificates(lambda: self._state.policy.pools, self._metrics, journal)
        self._metrics.registry.register(self._shown)
        self._traffic = Traffic(config.limits)
        self._upstreams = UpstreamByScheme(HttpUpstream(), AiohttpUpstream())
        self._stop = asyncio.Event()
        keep_alive = config.limits.keep_alive_seconds
        public = PublicApplication(self._state, self._upstreams, self._metrics, journal)
        public.deep_health = self._deep_health = DeepHealth(self._state, self._upstreams, journal)
        operations = OperationsApplication(self._state, self._metrics)
        self._public = Listener(public, self._traffic, keep_alive)
        self._operations = Listener(operations, self._traffic, keep_alive)
        self._tls = PublicTls(config.certificates, self._metrics, journal)
        self._site: AdminSite | None = None
        self._listeners = [self._public, self._operations]
        if options.admin is not None:
            self._site = AdminSite(options.admin_hosts, self._state, self._metrics, public)
            self._site.status.certificates = lambda: self._tls.certificates
            self._admin = Listener(self._site.application, self._traffic, keep_alive)
            self._listeners.append(self._admin)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain."""
        _route_library_logs(self._journal)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        background = [
            loop.create_task(probe_forever(self._state, self._upstreams, first_round := asyncio.Event())),
            loop.create_task(Upkeep(self._state, self._upstreams, self._journal).run()),
            loop.create_task(self._tick()),
            loop.create_task(keep_time(self._state.running)),
            loop.create_task(self._state.policy.ledger.run()),
            loop.create_task(refresh_keys_forever(self._state)),
            loop.create_task(self._tls.watch_forever(self._public)),
            loop.create_task(self._shown.watch_forever()),
        ]
        if self._options.watch_seconds is not None:
            seconds, first = self._options.watch_seconds, self._state.policy.sha256
            file = watch(digest_of_file, self._options.config_file, seconds, first, self._reload)
            background.append(loop.create_task(file))
            for folder, digest in self._options.watched_folders:
                files = watch(digest_of_folder, folder, seconds, digest, self._reload)
                background.append(loop.create_task(files))
        at_run_time = (
            (digest_of_contained, self._options.contained, self._options.contained_digest),
            (digest_of_released, self._options.released, self._options.released_digest),
        )
        for digest_of, file, first in at_run_time:
            if file is not None:
                followed = watch(digest_of, file, RUN_TIME_SECONDS, first, lambda: self._reload(tell=False))
                background.append(loop.create_task(followed))
        certificates = self._tls.certificates
        await self._public.open(self._options.public, certificates.context if certificates else None)
        await self._operations.open(self._options.operations)
        if self._site is not None and self._options.admin is not None:
            await self._admin.open(self._options.admin)
            background.append(loop.create_task(self._site.figures.run()))
        # Whoever is told asks /ready next, and must not hear of engines that nobody has asked yet.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(first_round.wait(), _FIRST_ROUND_SECONDS)
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
            await self._state.policy.ledger.close()
            await self._deep_health.close()
            await self._upstreams.close()
            if self._state.policy.tracer is not None:
                await self._state.policy.tracer.close()
            flushed = await self._audit.close()
            self._journal.flush()
        if not flushed:
            raise SystemExit(AUDIT_NOT_FLUSHED)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._traffic.tick()
            for listener in self._listeners:
                listener.close_expired()

    def _reload(self, *, tell: bool = True) -> None:
        """`tell`: whoever started us waits for word of a reload that it asked for, and of no other."""
        try:
            config = load_config(
                self._options.config_file, self._options.client_keys, self._options.contained, self._options.released
            )
            audit = self._audit.adopt(config.audit)
        except ConfigProblem as problem:
            self._metrics.reloads.labels("refused").inc()
            self._journal.note("reload_refused", "error", problems=problem.problems)
            if tell:
                self._notify(f"refused {problem}")
            return
        policy = Policy(config, self._state.policy)
        policy.audit = audit
        self._state.policy = policy
        self._metrics.adopt(config.telemetry, config.clients)
        self._metrics.adopt_contained(config.contained)
        self._traffic.adopt(config.limits)
        for listener in self._listeners:
            listener.keep_alive(config.limits.keep_alive_seconds)
        if config.certificates is None and self._tls.certificates is None:
            self._reloaded(config.sha256, tell)
        else:
            # Said only when it is true of TLS too, which takes a turn of the loop.
            taking_over = asyncio.get_running_loop().create_task(self._tls.adopt(config.certificates, self._public))
            taking_over.add_done_callback(lambda _: self._reloaded(config.sha256, tell))

    def _reloaded(self, sha256: str, tell: bool) -> None:
        self._metrics.reloads.labels("done").inc()
        self._journal.note("reloaded", config_sha256=sha256)
        if tell:
            self._notify(f"reloaded {sha256}")

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
        return 5.0 + max((longest_life(model) for model in models), default=0.0)

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
