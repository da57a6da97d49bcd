"""Who a gateway is to a Redis that knows identities: the access token of its own, instead of a password."""

from __future__ import annotations

import asyncio
import time

import aiohttp
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as LinkBroken

from serving.gateway.audit.credentials import CredentialsAway, metadata_token

# A token serves so long without asking again. Who asks gives up after a fraction of a second, and comes back soon.
_FRESH_SECONDS = 10.0


class OwnIdentity(CredentialProvider):
    """Asked for at each connecting: what connects again after an hour, or after the server hung up, has a token that is
    valid then. A connection that stands keeps the one that it began with."""

    def __init__(self) -> None:
        self._source = metadata_token()
        self._asking: asyncio.Task[None] | None = None
        self._token, self._fresh_until = "", 0.0

    def get_credentials(self) -> tuple[str]:
        """Nobody connects without an event loop here."""
        raise NotImplementedError

    async def get_credentials_async(self) -> tuple[str]:
        """Raises LinkBroken. When who asks gives up, the question goes on, and who asks next has its answer."""
        if time.monotonic() >= self._fresh_until:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
            await asyncio.shield(self._asking)
        return (self._token,)

    async def _ask(self) -> None:
        try:
            async with aiohttp.ClientSession() as session:
                self._token = (await self._source.current(session)).token
        except (OSError, aiohttp.ClientError, TimeoutError, CredentialsAway) as error:
            raise LinkBroken(f"no token: {type(error).__name__}") from None
        self._fresh_until = time.monotonic() + _FRESH_SECONDS
