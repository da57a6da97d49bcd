"""What is shown to upstreams, and who vouches for them: read again when the files change, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.gateway.engine_trust import EngineTrust, load_trust
from serving.gateway.routing.config import UpstreamTls
from serving.gateway.routing.pool import Pool
from serving.gateway.tls.certificates import TlsProblem

if TYPE_CHECKING:
    from serving.gateway.journal import Journal
    from serving.gateway.metrics import Metrics

_EVERY_SECONDS = 2.0
EXPIRY = "slipway_gateway_upstream_certificate_expires_timestamp_seconds"


class UpstreamCertificates(Collector):
    """New connections are made with what the files say now; those that are open keep what they were made with."""

    def __init__(self, pools: Callable[[], Mapping[str, Pool]], metrics: Metrics, journal: Journal) -> None:
        self._pools = pools
        self._metrics = metrics
        self._journal = journal
        self._refused: dict[UpstreamTls, str] = {}

    async def watch_forever(self) -> None:
        """Look at the files every two seconds, on a thread: they may lie on a slow disk. Runs until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.look_once()

    async def look_once(self) -> None:
        """Each file once, however many models have it."""
        named = {
            source.config.tls: source.trust
            for pool in self._pools().values()
            for source in pool.sources
            if source.config.tls is not None
        }
        for tls, known in named.items():
            await self._look(tls, known)

    async def _look(self, tls: UpstreamTls, known: EngineTrust | None) -> None:
        try:
            found = await asyncio.to_thread(load_trust, tls)
        except TlsProblem as problem:
            # Once per text: files that stay bad are not told of every two seconds.
            if self._refused.get(tls) != str(problem):
                self._refused[tls] = str(problem)
                self._metrics.certificate_reloads.labels("refused").inc()
                self._journal.note("upstream_certificate_refused", "error", problems=[str(problem)])
            return
        self._refused.pop(tls, None)
        if found is known:
            return
        for pool in self._pools().values():
            for source in pool.sources:
                if source.config.tls == tls:
                    source.trust = found
            pool.assemble()
        self._metrics.certificate_reloads.labels("done").inc()
        self._journal.note("upstream_certificate_renewed", expires_at=int(found.expires_at or 0))

    def describe(self) -> Iterator[Metric]:
        """Names are known without asking the pools, which may not exist yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """See Collector. Labels are of the configuration; of two alike, what ends first."""
        ends: dict[tuple[str, str], float] = {}
        for name, pool in self._pools().items():
            for source in pool.sources:
                if source.trust is not None and source.trust.expires_at is not None:
                    labels = name, urlsplit(source.config.url).netloc
                    ends[labels] = min(source.trust.expires_at, ends.get(labels, source.trust.expires_at))
        family = GaugeMetricFamily(EXPIRY, "End of the certificate that it is shown.", labels=("model", "upstream"))
        for labels, end in ends.items():
            family.add_metric(labels, end)
        yield family
