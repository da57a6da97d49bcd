"""GET /health/deep: whether models have really answered lately, for whoever decides if this site is to be used.

Anybody may ask, as often as they like: the answer is what is known already. Real answers to clients are what is known
best; where there was none for a while, one token is asked for, no more often than the configuration says.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from math import inf

from serving.gateway.deep_health_config import DeepHealthConfig
from serving.gateway.journal import Journal, describe
from serving.gateway.policy import Policy
from serving.gateway.routing.one_token import one_token
from serving.gateway.routing.pool import Pool
from serving.gateway.routing.replica import Replica
from serving.gateway.state import GatewayState
from serving.gateway.upstream import UpstreamClient, UpstreamLost, UpstreamUnreachable

# Route 53 takes an answer that comes within 2 s; what is not known by then is told with the next one.
_PATIENCE_SECONDS = 1.0
# One replica that hangs is ejected and the site goes on: only when this many have no answer, the model has none.
_REPLICAS_ASKED = 2
_REQUEST_ID = "slipway-deep-health"


class Known:
    """What asking one model has shown, and the asking that goes on."""

    __slots__ = ("asked_at", "failed_at", "task", "worked_at")

    def __init__(self) -> None:
        self.asked_at = -inf
        self.worked_at = -inf
        self.failed_at = -inf
        self.task: asyncio.Task[None] | None = None


class DeepHealth:
    """One per process."""

    def __init__(self, state: GatewayState, upstreams: UpstreamClient, journal: Journal) -> None:
        self._state = state
        self._upstreams = upstreams
        self._journal = journal
        self._known: dict[str, Known] = {}

    @property
    def offered(self) -> bool:
        """Whether the configuration wants it: otherwise nobody can make an engine work by asking."""
        return self._state.policy.deep_health is not None

    async def answer(self) -> tuple[int, bytes]:
        """Yes or no, and nothing else. Waits a moment at most, and only where nothing is known."""
        policy = self._state.policy
        config = policy.deep_health
        assert config is not None
        now = time.monotonic()
        new = [self._ask_if_old(policy, config, name, now) for name in config.models]
        unknown = [task for task in new if task is not None]
        if unknown:
            await asyncio.wait(unknown, timeout=_PATIENCE_SECONDS)
        if all(self._works(policy, name) for name in config.models):
            return 200, b'{"status":"ok"}'
        return 503, b'{"status":"failing"}'

    async def close(self) -> None:
        """The gateway stops."""
        tasks = [known.task for known in self._known.values() if known.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ask_if_old(self, policy: Policy, config: DeepHealthConfig, name: str, now: float) -> asyncio.Task[None] | None:
        """The asking, where it goes on and nothing else is known of this model."""
        known = self._known.setdefault(name, Known())
        pool = policy.pools[name]
        answered = max(pool.answered_at, known.worked_at)
        if now - answered < config.every_seconds:
            return None
        if known.task is None and now - known.asked_at >= config.every_seconds and pool.any_reachable:
            known.asked_at = now
            known.task = asyncio.get_running_loop().create_task(self._ask(policy, pool, known, config.timeout_seconds))
        # Longer ago than an asking lasts: who asks again after an hour is not told of an hour ago.
        lasts = config.every_seconds + config.timeout_seconds * _REPLICAS_ASKED
        old = now - max(answered, known.failed_at) >= lasts
        return known.task if old else None

    def _works(self, policy: Policy, name: str) -> bool:
        pool = policy.pools[name]
        known = self._known[name]
        if not pool.any_reachable:
            # One that sleeps is woken by its first request; one that others stand in for is served.
            return pool.stays_in_reach
        return known.failed_at <= max(pool.answered_at, known.worked_at)

    async def _ask(self, policy: Policy, pool: Pool, known: Known, seconds: float) -> None:
        try:
            replicas = sorted(pool.ready or pool.replicas, key=lambda replica: replica.in_flight)
            for replica in replicas[:_REPLICAS_ASKED]:
                if await self._generates(policy, pool, replica, seconds):
                    known.worked_at = time.monotonic()
                    return
            known.failed_at = time.monotonic()
        except Exception as error:  # noqa: BLE001, RUF100 - a defect of ours says nothing about the engine
            self._journal.note("defect", "error", **describe(error))
        finally:
            known.task = None

    async def _generates(self, policy: Policy, pool: Pool, replica: Replica, seconds: float) -> bool:
        endpoints = policy.models[pool.name].endpoints
        url, headers, body = one_token(endpoints, replica, pool.name, _REQUEST_ID)
        with contextlib.suppress(UpstreamLost, UpstreamUnreachable, TimeoutError):
            async with asyncio.timeout(seconds):
                answer = await self._upstreams.open(url, headers, body, policy.limits.connect_seconds, replica.trust)
                try:
                    whole = b""
                    while piece := await answer.read():
                        whole += piece
                    generated = b'"choices"' in whole or b'"data"' in whole
                    # Busy is not broken: it has others' answers to give.
                    return answer.status == 429 or (answer.status == 200 and generated)
                finally:
                    answer.close()
        return False
