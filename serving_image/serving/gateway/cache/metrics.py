"""The cache's state as metrics, read when somebody asks. Hits and misses are counted with the requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.gateway.cache.memory_store import MemoryStore
from serving.gateway.cache.redis_store import RedisStore
from serving.gateway.cache.response_cache import ResponseCache

_PREFIX = "slipway_gateway_cache_"


class CacheCollector(Collector):
    """What one process knows of its store; nothing without a cache."""

    def __init__(self, current: Callable[[], ResponseCache | None]) -> None:
        self._current = current

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        cache = self._current()
        store = cache.store if cache is not None else None
        if isinstance(store, MemoryStore):
            yield GaugeMetricFamily(f"{_PREFIX}entries", "Answers kept in memory.", value=store.entries)
            yield GaugeMetricFamily(f"{_PREFIX}bytes", "Memory they take.", value=store.bytes)
            yield CounterMetricFamily(f"{_PREFIX}evictions", "Answers that had to make room.", value=store.evicted)
        elif isinstance(store, RedisStore):
            available = "1 while the shared cache is asked; 0: it failed a moment ago."
            yield GaugeMetricFamily(f"{_PREFIX}store_available", available, value=float(store.available))
            yield CounterMetricFamily(f"{_PREFIX}outages", "Times that it failed or was too slow.", value=store.outages)

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not collect."""
        return []
