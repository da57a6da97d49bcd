"""Sends spans to an OTLP/HTTP collector, in batches, from a bounded queue: a slow or absent one costs spans only."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import aiohttp
import orjson

from serving.gateway import VERSION
from serving.gateway.telemetry.config import TracesConfig, read_authorization
from serving.gateway.telemetry.otlp import Span, attributes_of
from serving.gateway.telemetry.trace import Trace, begin_trace

if TYPE_CHECKING:
    from serving.gateway.asgi import Header

_BATCH = 256
_EVERY_SECONDS = 1.0
_SEND_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# At the end of the process: what is still waiting then is lost.
_FAREWELL_SECONDS = 2.0
# As the OTLP specification names them; after any other answer the same batch would fail again.
_WORTH_TRYING_AGAIN = (429, 502, 503, 504)


class Tracer:
    """Samples requests and exports what was sampled. Kept over reloads that leave its configuration as it is."""

    def __init__(self, config: TracesConfig) -> None:
        self.config = config
        self.outcomes: Counter[str] = Counter()
        self._ratio = config.ratio
        self._follow = config.parent == "follow"
        self._waiting: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self.authorization = _authorization(config)
        self._headers = {"Content-Type": "application/json"}
        if self.authorization is not None:
            self._headers["Authorization"] = self.authorization
        resource = {"service.name": config.service_name, "service.version": VERSION}
        self._head = (
            b'{"resourceSpans":[{"resource":{"attributes":%b},"scopeSpans":[{"scope":{"name":"slipway.gateway"}'
            % (orjson.dumps(attributes_of(resource)))
        )

    def begin(self, headers: list[Header]) -> Trace:
        """The trace of a request with these headers, sampled or not."""
        return begin_trace(headers, self._ratio, self._follow)

    def take(self, spans: Iterable[Span]) -> None:
        """The spans of one sampled request. Does not wait: one too many is dropped and counted."""
        if len(self._waiting) >= self.config.queue:
            self.outcomes["dropped"] += 1
            return
        self._waiting.append(b",".join(orjson.dumps(span) for span in spans))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._export())
            self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Send what waits, briefly."""
        self._closing.set()
        task = self._task
        if task is not None:
            await asyncio.wait([task], timeout=_FAREWELL_SECONDS)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._task = None

    async def _export(self) -> None:
        """Until nothing waits any more. One connection serves while there is traffic, none when there is not."""
        timeout = aiohttp.ClientTimeout(total=_SEND_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            pause = _FIRST_PAUSE
            while self._waiting:
                await self._pause(_EVERY_SECONDS)
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                while not await self._send(session, batch):
                    if self._closing.is_set():
                        self.outcomes["failed"] += len(batch)
                        break
                    await self._pause(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
                else:
                    pause = _FIRST_PAUSE

    async def _pause(self, seconds: float) -> None:
        if not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), seconds)

    async def _send(self, session: aiohttp.ClientSession, batch: Iterable[bytes]) -> bool:
        """Whether the batch is done with, sent or refused."""
        spans = list(batch)
        body = b'%b,"spans":[%b]}]}]}' % (self._head, b",".join(spans))
        try:
            async with session.post(self.config.url, data=body, headers=self._headers, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return False
        if status in _WORTH_TRYING_AGAIN:
            return False
        self.outcomes["sent" if status < 300 else "refused"] += len(spans)
        return True


def tracer_for(config: TracesConfig | None, previous: Tracer | None) -> Tracer | None:
    """The tracer of a new policy. One whose configuration, or secret, has gone sends what it has and ends by itself."""
    if config is None:
        return None
    if previous is not None and (previous.config, previous.authorization) == (config, _authorization(config)):
        return previous
    return Tracer(config)


def _authorization(config: TracesConfig) -> str | None:
    return None if config.authorization_file is None else read_authorization(config.authorization_file)
