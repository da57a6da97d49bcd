"""Tasks that answer requests, one after the other: a task for each request would cost 2 µs more (2026-11)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from serving.gateway.exchange import Exchange

# Tasks without work that are kept: more are there only while more requests run.
_MOST_IDLE = 256
_log = logging.getLogger(__name__)


class Workers:
    """All of a process: as many tasks as requests run, and some that wait for the next one."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        # The event loop refers to tasks only weakly.
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, exchange: Exchange, application: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Let the application answer, from the next round of the event loop on."""
        if self._idle:
            worker = self._idle.pop()
            exchange.task = worker.task
            worker.begin(exchange, application)
            return
        worker = _Worker(self._idle, loop)
        worker.exchange = exchange
        worker.application = application
        task = exchange.task = worker.task = loop.create_task(worker.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Worker:
    """One task. Whatever cancels it ends it: a request must not feel what was meant for the one before."""

    __slots__ = ("_idle", "_loop", "_news", "application", "exchange", "task")

    def __init__(self, idle: list[_Worker], loop: asyncio.AbstractEventLoop) -> None:
        self.exchange: Exchange | None = None
        self.application: Any = None
        self.task: asyncio.Task[None] | None = None
        self._idle = idle
        self._loop = loop
        self._news: asyncio.Future[None] | None = None

    def begin(self, exchange: Exchange, application: Any) -> None:
        """The next request. Only for an idle one."""
        self.exchange = exchange
        self.application = application
        assert self._news is not None
        self._news.set_result(None)

    async def run(self) -> None:
        """Answers until it is cancelled, or nobody needs so many."""
        task = asyncio.current_task()
        assert task is not None
        while True:
            exchange, self.exchange = self.exchange, None
            assert exchange is not None
            try:
                await self.application(exchange.scope, exchange.receive, exchange.send)
            except Exception as error:  # noqa: BLE001, RUF100 - applications answer their own errors; this is the last net
                _log.error("defect", exc_info=error)
            finally:
                exchange.ended()
            if task.cancelling() or len(self._idle) >= _MOST_IDLE:
                return
            self._news = self._loop.create_future()
            self._idle.append(self)
            await self._news
