"""Reads the issuers' key sets in the background, so that a request hardly ever waits for one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.gateway.state import GatewayState

_EVERY_SECONDS = 0.5


async def refresh_keys_forever(state: GatewayState) -> None:
    """Runs until cancelled, over the issuers of the current policy."""
    while True:
        tokens = state.policy.tokens
        if tokens is not None:
            due = [keys.read() for keys in tokens.key_sets.values() if keys.is_due()]
            await asyncio.gather(*due)
        await asyncio.sleep(_EVERY_SECONDS)
