"""Answers in a Redis that gateways share. Whatever is wrong with it is a miss: a request waits one timeout at most."""

from __future__ import annotations

import asyncio
import contextlib
import time

from serving.gateway.cache.config import RedisCacheConfig
from serving.gateway.cache.kept import Kept
from serving.gateway.cache.script import FIND, KEEP
from serving.gateway.cache.sealing import Seal
from serving.gateway.limits.redis_link import AWAY, Call, RedisLink

_RETRY_SECONDS = 1.0
"""How long nobody asks after it failed."""
_IDLE_SECONDS = 10.0
"""Without work for so long the link hangs up, so one that a reload replaced ends by itself."""
_MOST_AT_ONCE = 64
_MOST_ASKING = 1024
_MOST_WAITING_BYTES = 16 * 1024 * 1024
# What Redis keeps of an entry besides the answer: its name three times, and its own book-keeping.
_OVERHEAD_BYTES = 600


class RedisStore:
    """One link, used by one task: what comes while an exchange is on its way goes together into the next one. A
    request that is cut short while it waits thus leaves no half-read answer on the link."""

    def __init__(self, config: RedisCacheConfig, url: str, secret: bytes) -> None:
        self._config = config
        self._seal = Seal(secret)
        self._link = RedisLink(url, config.timeout_seconds, config.ca_file, (FIND, KEEP))
        # In braces: all of them in one slot of a cluster, as scripts need it.
        self._space = f"{{{config.namespace}:cache}}"
        self._asking: list[tuple[str, asyncio.Future[bytes | None]]] = []
        self._keeping: list[Call] = []
        self._keeping_bytes = 0
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._away_until = 0.0
        self.outages = 0

    @property
    def available(self) -> bool:
        """Whether it is asked now."""
        return time.monotonic() >= self._away_until

    async def find(self, key: bytes) -> Kept | None:
        """See Store."""
        if not self.available or len(self._asking) >= _MOST_ASKING:
            return None
        name = self._name(key)
        answered: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._asking.append((name, answered))
        self._begin()
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                sealed = await answered
        except TimeoutError:
            return None
        return None if sealed is None else self._seal.open(name, sealed)

    def keep(self, key: bytes, kept: Kept) -> None:
        """See Store. It is kept a moment later, or not at all when Redis is away or behind."""
        if not self.available or self._keeping_bytes > _MOST_WAITING_BYTES:
            return
        name = self._name(key)
        sealed = self._seal.close(name, kept)
        config = self._config
        age = max(1, int(config.age_seconds * 1000))
        keys = [name, f"{self._space}order", f"{self._space}bytes"]
        self._keeping.append((keys, [sealed, age, config.largest_bytes, _OVERHEAD_BYTES]))
        self._keeping_bytes += len(sealed)
        self._begin()

    def close(self) -> None:
        """See Store. The answers are in Redis until they are too old; the link hangs up by itself."""

    def _name(self, key: bytes) -> str:
        return f"{self._space}{key.hex()}"

    def _begin(self) -> None:
        self._work.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._exchange_while_busy())

    async def _exchange_while_busy(self) -> None:
        try:
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self._work.wait()
                self._work.clear()
                while self._asking or self._keeping:
                    await self._exchange()
        except TimeoutError:
            pass
        finally:
            self._task = None
            await self._link.drop()

    async def _exchange(self) -> None:
        """First what requests wait for, then one answer to keep: a large one delays nobody for longer than itself."""
        asking, self._asking = self._asking[:_MOST_AT_ONCE], self._asking[_MOST_AT_ONCE:]
        found: list[bytes | None] = [None] * len(asking)
        try:
            if asking:
                async with asyncio.timeout(self._config.timeout_seconds):
                    found = await self._link.call(FIND, [([name], ()) for name, _ in asking])
        except AWAY:
            await self._lose()
        finally:
            for (_, answered), sealed in zip(asking, found, strict=True):
                if not answered.done():
                    answered.set_result(sealed)
        if self._keeping:
            call = self._keeping.pop()  # the newest: what is asked for again is asked for soon
            self._keeping_bytes = 0 if not self._keeping else self._keeping_bytes - _length(call)
            try:
                async with asyncio.timeout(self._config.timeout_seconds):
                    await self._link.call(KEEP, [call])
            except AWAY:
                await self._lose()

    async def _lose(self) -> None:
        """Nobody asks for a moment, and who has asked is answered."""
        self._away_until = time.monotonic() + _RETRY_SECONDS
        self.outages += 1
        self._keeping.clear()
        self._keeping_bytes = 0
        asking, self._asking = self._asking, []
        for _, answered in asking:
            if not answered.done():
                answered.set_result(None)
        with contextlib.suppress(*AWAY):
            await self._link.drop()


def _length(call: Call) -> int:
    value = call[1][0]
    return len(value) if isinstance(value, bytes) else 0
