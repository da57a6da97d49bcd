"""Keeps the addresses of discovered upstreams up to date, off the path of requests."""

from __future__ import annotations

import asyncio

from serving.gateway.journal import Journal
from serving.gateway.routing.config import DnsDiscovery, UpstreamConfig
from serving.gateway.routing.dns import follow_dns
from serving.gateway.routing.kubernetes import follow_endpoints
from serving.gateway.routing.pool import Pool


class Discovery:
    """One task per distinct upstream with `discover`; models that name the same one share its task."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tasks: dict[UpstreamConfig, asyncio.Task[None]] = {}
        self._pools: dict[str, Pool] = {}
        self._found: dict[UpstreamConfig, tuple[str, ...]] = {}

    def adopt(self, pools: dict[str, Pool]) -> None:
        """At the start and after a reload: tasks of upstreams that are still there go on."""
        self._pools = pools
        wanted = {
            source.config for pool in pools.values() for source in pool.sources if source.config.discover is not None
        }
        for config in self._tasks.keys() - wanted:
            self._tasks.pop(config).cancel()
            self._found.pop(config, None)
        for config in wanted - self._tasks.keys():
            self._tasks[config] = asyncio.get_running_loop().create_task(self._follow(config))
        for config, addresses in self._found.items():
            self._tell(config, addresses)

    async def stop(self) -> None:
        """End all tasks."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    async def _follow(self, config: UpstreamConfig) -> None:
        discover = config.discover

        def found(addresses: tuple[str, ...]) -> None:
            self._tell(config, addresses)

        def trouble(kind: str) -> None:
            self._journal.note("discovery_failed", "warning", upstream=config.url, error=kind)

        if isinstance(discover, DnsDiscovery):
            await follow_dns(config.url, discover.every_seconds, found, trouble)
        elif discover is not None:
            await follow_endpoints(config.url, discover, found, trouble)

    def _tell(self, config: UpstreamConfig, addresses: tuple[str, ...]) -> None:
        self._found[config] = addresses
        for pool in self._pools.values():
            changed = False
            for source in pool.sources:
                if source.config == config and source.addresses != addresses:
                    source.addresses = addresses
                    changed = True
            if changed:
                pool.assemble()
                self._journal.note("replicas", model=pool.name, count=len(pool.replicas))
