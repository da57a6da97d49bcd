"""Asks engines how full their KV caches are, where requests leave by it: about once a second, in the background."""

from __future__ import annotations

import asyncio

from serving.gateway.policy import Policy
from serving.gateway.routing.config import KvCacheConfig
from serving.gateway.routing.pool import Pool
from serving.gateway.upstream import UpstreamClient

_EVERY_SECONDS = 1.0
# Of what an engine says of itself: beyond this it says something else.
_MOST_BYTES = 4_194_304
_LIMIT_SECONDS = 2.0


class KvCaches:
    """One per process."""

    def __init__(self, upstreams: UpstreamClient) -> None:
        self._upstreams = upstreams
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._asked_at = 0.0

    def look(self, policy: Policy, now: float) -> None:
        """Starts a round when it is time for one. Whoever has not answered the last one yet is not asked again."""
        if now - self._asked_at < _EVERY_SECONDS:
            return
        self._asked_at = now
        for name, model in policy.models.items():
            overflow = model.destinations.overflow
            if overflow is None or overflow.config.kv_cache is None:
                policy.pools[name].saturation.kv_cache = 0.0
            elif name not in self._asking:
                asked = self._ask(overflow.pool, overflow.config.kv_cache)
                self._asking[name] = asyncio.get_running_loop().create_task(asked)

    def stop(self) -> None:
        """Nobody is asked any more."""
        for task in self._asking.values():
            task.cancel()

    async def _ask(self, pool: Pool, config: KvCacheConfig) -> None:
        try:
            answers = await asyncio.gather(
                *(
                    self._upstreams.get(
                        f"{replica.url}{config.path}",
                        {} if replica.authorization is None else {"Authorization": replica.authorization},
                        _LIMIT_SECONDS,
                        replica.trust,
                        _MOST_BYTES,
                    )
                    for replica in pool.ready
                    if replica.kind == "engine"
                )
            )
            shares = [share for answer in answers if answer for share in shares_in(answer, config.metric)]
            pool.saturation.kv_cache = sum(shares) / len(shares) if shares else 0.0
        finally:
            del self._asking[pool.name]


def shares_in(text: bytes, metric: str) -> list[float]:
    """The samples of one gauge in Prometheus' text format, as shares of 1."""
    found: list[float] = []
    for line in text.decode("utf-8", "replace").splitlines():
        rest = line.removeprefix(metric)
        if rest == line or rest[:1] not in ("{", " "):
            continue
        values = rest.rpartition("}")[2].split()
        try:
            share = float(values[0]) if values else -1.0
        except ValueError:
            continue
        if 0.0 <= share <= 1.0:
            found.append(share)
    return found
