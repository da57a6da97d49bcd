"""Asks every engine for its health about once a second, in the background. Only /ready and the order in which
several engines are tried depend on it; no request ever waits for it."""

from __future__ import annotations

import asyncio

from serving.gateway.policy import Target
from serving.gateway.state import GatewayState
from serving.gateway.upstream import UpstreamClient

_EVERY_SECONDS = 1.0
_LIMIT_SECONDS = 2.0


async def probe_forever(state: GatewayState, upstreams: UpstreamClient) -> None:
    """Runs until cancelled. A slow engine delays no other: one round is as long as the slowest answer, bounded."""
    while True:
        await probe_once(state, upstreams)
        await asyncio.sleep(_EVERY_SECONDS)


async def probe_once(state: GatewayState, upstreams: UpstreamClient) -> None:
    """One round over the engines of the current policy."""
    await asyncio.gather(*(_probe(target, upstreams) for target in state.policy.targets.values()))


async def _probe(target: Target, upstreams: UpstreamClient) -> None:
    headers = {} if target.authorization is None else {"Authorization": target.authorization}
    target.reachable = await upstreams.probe(f"{target.url}/health", headers, _LIMIT_SECONDS)
