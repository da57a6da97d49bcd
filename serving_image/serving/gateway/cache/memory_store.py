"""Answers in this process's memory: bounded by bytes, least recently used first out, and by age."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from serving.gateway.cache.config import MemoryCacheConfig
from serving.gateway.cache.kept import Kept

# What an entry takes besides its body: two dictionary entries, key, objects.
OVERHEAD_BYTES = 600


class MemoryStore:
    """All of one process. An answer is removed when it is too old even if nobody asks: it is customer data."""

    def __init__(self, config: MemoryCacheConfig) -> None:
        self._most = config.largest_bytes
        self._age = config.age_seconds
        # Least recently used first.
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        # When each must go, oldest first.
        self._ends: OrderedDict[bytes, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.bytes = 0
        self.evicted = 0

    @property
    def entries(self) -> int:
        """How many answers are kept."""
        return len(self._kept)

    async def find(self, key: bytes) -> Kept | None:
        """See Store. It never waits."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if self._ends[key] <= time.monotonic():
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def keep(self, key: bytes, kept: Kept) -> None:
        """See Store."""
        size = _size(kept)
        if self._closed or size > self._most:
            return
        if key in self._kept:
            self._forget(key)
        while self.bytes + size > self._most:
            self._forget(next(iter(self._kept)))
            self.evicted += 1
        self._kept[key] = kept
        self._ends[key] = time.monotonic() + self._age
        self.bytes += size
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._age, self._sweep)

    def close(self) -> None:
        """See Store."""
        self._closed = True
        self._kept.clear()
        self._ends.clear()
        self.bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        self._timer = None
        now = time.monotonic()
        while self._ends:
            key, end = next(iter(self._ends.items()))
            if end > now:
                # Not for each entry at its very moment: they may come thousands a second.
                wait = max(end - now, min(1.0, self._age / 10))
                self._timer = asyncio.get_running_loop().call_later(wait, self._sweep)
                return
            self._forget(key)

    def _forget(self, key: bytes) -> None:
        del self._ends[key]
        self.bytes -= _size(self._kept.pop(key))


def _size(kept: Kept) -> int:
    return len(kept.body) + OVERHEAD_BYTES
