"""The shared store's state as metrics, read when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.gateway.limits.ledger import Ledger
from serving.gateway.limits.store import MemoryStore

_PREFIX = "slipway_gateway_limits_"


class LimitsCollector(Collector):
    """Three series of one process; none with the memory store, which cannot be away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        store = self._ledger.store
        if isinstance(store, MemoryStore):
            return
        available = "1 while the shared store of limits answers; 0: its breaker is open."
        yield GaugeMetricFamily(f"{_PREFIX}store_available", available, value=float(store.leasing))
        yield CounterMetricFamily(f"{_PREFIX}exchanges", "Round trips to the shared store.", value=store.exchanges)
        yield CounterMetricFamily(f"{_PREFIX}outages", "Times that its breaker opened.", value=store.failures)
