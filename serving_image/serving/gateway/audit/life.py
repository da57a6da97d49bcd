"""The audits of one process: opened at the start, exchanged by a reload, flushed before the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.gateway.audit.beginning import Note
from serving.gateway.audit.config import AuditConfig
from serving.gateway.audit.credentials import CredentialsMissing
from serving.gateway.audit.log import AuditLog, audit_problem, open_audit
from serving.gateway.audit.object_store import ObjectStore
from serving.gateway.audit.otlp import OtlpLogs
from serving.gateway.audit.writer import note_on

_PREFIX = "slipway_gateway_audit_"
_STEP_SECONDS = 0.1


class _Open:
    """One audit and the tasks that copy it elsewhere."""

    def __init__(self, config: AuditConfig, note: Note, loop: asyncio.AbstractEventLoop) -> None:
        self.store: ObjectStore | None = None
        self.otlp: OtlpLogs | None = None
        self._tasks: list[asyncio.Task[None]] = []
        safe = note_on(loop, note)
        try:
            if config.otlp_logs is not None:
                self.otlp = OtlpLogs(config.otlp_logs, note)
        except (OSError, UnicodeDecodeError) as error:
            raise audit_problem("otlp_logs.header_file", type(error).__name__) from None
        self.log = open_audit(config, safe)
        if self.otlp is not None:
            feed = self.otlp.feed
            self.log.writer.listener = lambda lines: _call(loop, feed, lines)
            self._tasks.append(loop.create_task(self.otlp.run()))
        if config.object_store is not None:
            try:
                self.store = ObjectStore(config.object_store, Path(config.folder), self.log.writer.chain, note)
            except (OSError, UnicodeDecodeError, CredentialsMissing) as error:
                self.log.writer.stop()
                raise audit_problem("object_store", f"no credentials ({type(error).__name__})") from None
            self._tasks += [loop.create_task(self.store.run()), loop.create_task(self._watch(self.store))]

    async def _watch(self, store: ObjectStore) -> None:
        while True:
            self.log.held_by_object_store = store.too_old
            await asyncio.sleep(_STEP_SECONDS)

    async def close(self) -> bool:
        """Flush everything."""
        whole = await self.log.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.otlp is not None:
            await asyncio.sleep(0)  # the last lines are fed by then
            await self.otlp.finish()
        return (await self.store.finish() if self.store is not None else True) and whole


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[list[bytes]], None], lines: list[bytes]) -> None:
    try:
        loop.call_soon_threadsafe(function, lines)
    except RuntimeError:
        return


class AuditLife(Collector):
    """Owns the current audit and those that a reload replaced and that still wait for rows. Also its metrics."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._current: _Open | None = None
        self._retiring: dict[asyncio.Task[None], _Open] = {}
        self._lost = False

    @property
    def log(self) -> AuditLog | None:
        """Where requests that begin now are recorded."""
        return self._current.log if self._current else None

    def adopt(self, config: AuditConfig | None) -> AuditLog | None:
        """At the start and on reload; an unchanged configuration keeps its audit. Raises ConfigProblem."""
        before = self._current
        if before is not None and before.log.config == config:
            return before.log
        loop = asyncio.get_running_loop()
        self._current = _Open(config, self._note, loop) if config is not None else None
        if before is not None:
            before.log.successor = self.log
            task = loop.create_task(self._retire(before))
            self._retiring[task] = before
            task.add_done_callback(lambda done: self._retiring.pop(done, None))
        return self.log

    async def close(self) -> bool:
        """Everything to disk. False when rows were lost or did not get to the object store."""
        for task, opened in list(self._retiring.items()):
            opened.log.give_up_waiting = True
            await task
        if self._current is not None and not await self._current.close():
            self._lost = True
            self._note("audit_not_flushed", "error", rows=self._current.log.writer.lost)
        return not self._lost

    async def _retire(self, opened: _Open) -> None:
        while opened.log.reserved and not opened.log.give_up_waiting:  # noqa: ASYNC110
            await asyncio.sleep(_STEP_SECONDS)
        if not await opened.close():
            self._lost = True
            self._note("audit_not_flushed", "error", rows=opened.log.writer.lost)

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client: the series exist only where an audit is configured."""
        opened = self._current
        if opened is None:
            return
        writer = opened.log.writer
        text = "1 if rows can be written and requests are admitted."
        yield GaugeMetricFamily(_PREFIX + "available", text, float(writer.available))
        yield GaugeMetricFamily(_PREFIX + "rows_waiting", "Rows in memory, not on disk yet.", writer.unwritten())
        yield CounterMetricFamily(_PREFIX + "rows", "Rows of requests put into the chain.", writer.rows)
        yield CounterMetricFamily(_PREFIX + "rows_omitted", "Refusals counted instead of listed.", writer.omitted)
        if opened.store is not None:
            yield GaugeMetricFamily(_PREFIX + "segments_unsent", "Closed, not in the store.", opened.store.unsent)
            yield CounterMetricFamily(_PREFIX + "segments_sent", "Copied to the object store.", opened.store.sent)
        if opened.otlp is not None:
            yield CounterMetricFamily(_PREFIX + "otlp_rows_dropped", "Copies not sent.", opened.otlp.dropped)

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before the first collection."""
        return ()
