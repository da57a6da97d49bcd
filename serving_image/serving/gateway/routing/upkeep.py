"""The background work of routing: ends ejections, finds hanging replicas, keeps discovery running."""

from __future__ import annotations

import asyncio
import contextlib
import time

from serving.gateway.journal import Journal, describe
from serving.gateway.policy import Policy
from serving.gateway.routing.discovery import Discovery
from serving.gateway.routing.kv_caches import KvCaches
from serving.gateway.routing.one_token import one_token
from serving.gateway.routing.pool import Pool
from serving.gateway.routing.replica import Replica
from serving.gateway.routing.shadow import end_shadows
from serving.gateway.state import GatewayState
from serving.gateway.upstream import UpstreamClient, UpstreamLost, UpstreamUnreachable
from serving.gateway.waiting.admission import close_pool
from serving.gateway.waiting.scaling import look_at, work_of

_TICK_SECONDS = 0.25
_LOOK_SECONDS = 1.0


class Upkeep:
    """One per process; everything that routing does outside of requests."""

    def __init__(self, state: GatewayState, upstreams: UpstreamClient, journal: Journal) -> None:
        self._state = state
        self._upstreams = upstreams
        self._journal = journal
        self._policy: Policy | None = None
        self._discovery = Discovery(journal)
        self._caches = KvCaches(upstreams)
        self._asking: dict[Replica, asyncio.Task[None]] = {}
        self._looked_at = time.monotonic()
        # The ledger is handed on from policy to policy: telling it once is enough.
        state.policy.ledger.fleet.provide(lambda: {name: work_of(pool) for name, pool in state.policy.pools.items()})

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                # A defect in here must not end ejections and discovery for good.
                try:
                    self._tick()
                except Exception as error:  # noqa: BLE001, RUF100
                    self._journal.note("defect", "error", **describe(error))
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            for task in self._asking.values():
                task.cancel()
            self._caches.stop()
            await self._discovery.stop()
            await end_shadows()

    def _tick(self) -> None:
        policy = self._state.policy
        if policy is not self._policy:
            before = self._policy.pools if self._policy else {}
            for name in before.keys() - policy.pools.keys():
                close_pool(before[name])
            self._discovery.adopt(policy.pools)
            self._policy = policy
        now = time.monotonic()
        self._caches.look(policy, now)
        while now - self._looked_at >= _LOOK_SECONDS:
            # After a pause all that came in it counts in its first second.
            self._looked_at += _LOOK_SECONDS
            look_at(policy.pools, policy.ledger.fleet)
        for pool in policy.pools.values():
            for replica in pool.breaker.tick(now):
                if replica not in self._asking:
                    task = asyncio.get_running_loop().create_task(self._ask(policy, pool, replica))
                    self._asking[replica] = task

    async def _ask(self, policy: Policy, pool: Pool, replica: Replica) -> None:
        """One token from a replica that hung: its /health says 200, and a client's request might hang there too."""
        endpoints = policy.models[pool.name].endpoints
        url, headers, body = one_token(endpoints, replica, pool.name, "slipway-trial")
        works = False
        try:
            with contextlib.suppress(UpstreamLost, UpstreamUnreachable, TimeoutError):
                async with asyncio.timeout(pool.hang_seconds):
                    connect_seconds = policy.limits.connect_seconds
                    answer = await self._upstreams.open(url, headers, body, connect_seconds, replica.trust)
                    try:
                        works = answer.status < 500 and bool(await answer.read())
                    finally:
                        answer.close()
        finally:
            del self._asking[replica]
        if works:
            pool.breaker.recover(replica)
        else:
            pool.breaker.eject(replica, hung=True)
