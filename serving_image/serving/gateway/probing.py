"""Asks every engine for its health about once a second, in the background. /ready, the order in which replicas are
tried, and the end of holding a request depend on it; whether a replica is trusted depends on its real answers."""

from __future__ import annotations

import asyncio

from serving.gateway.engine_trust import EngineTrust
from serving.gateway.routing.pool import Pool
from serving.gateway.routing.replica import Replica
from serving.gateway.state import GatewayState
from serving.gateway.upstream import UpstreamClient

_EVERY_SECONDS = 1.0
# While requests are held, the moment an engine becomes ready matters more than the few extra probes.
_HELD_SECONDS = 0.25
_LIMIT_SECONDS = 2.0


async def probe_forever(state: GatewayState, upstreams: UpstreamClient, first_round: asyncio.Event) -> None:
    """Runs until cancelled. A slow engine delays no other: one round is as long as the slowest answer, bounded."""
    while True:
        await probe_once(state, upstreams)
        first_round.set()
        held = any(pool.queue.size and not pool.ready for pool in state.policy.pools.values())
        await asyncio.sleep(_HELD_SECONDS if held else _EVERY_SECONDS)


async def probe_once(state: GatewayState, upstreams: UpstreamClient) -> None:
    """One round over the engines of the current policy, each address once however many models it has."""
    places: dict[tuple[str, str | None, EngineTrust | None], list[tuple[Pool, Replica]]] = {}
    for pool in state.policy.pools.values():
        for replica in pool.replicas:
            if replica.probed:
                place = (replica.url, replica.authorization, replica.trust)
                places.setdefault(place, []).append((pool, replica))
    await asyncio.gather(*(_probe(*place, users, upstreams) for place, users in places.items()))


async def _probe(
    url: str, key: str | None, trust: EngineTrust | None, users: list[tuple[Pool, Replica]], upstreams: UpstreamClient
) -> None:
    headers = {} if key is None else {"Authorization": key}
    reachable = await upstreams.get(f"{url}/health", headers, _LIMIT_SECONDS, trust) is not None
    for pool, replica in users:
        if replica.reachable != reachable or not replica.asked:
            replica.asked = True
            replica.reachable = reachable
            pool.refresh()
