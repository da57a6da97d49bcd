"""Chooses the upstream client: the fast one for engines of ours, plain or with TLS, aiohttp for TLS to anybody else,
who is known by the name in the url."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from serving.gateway.engine_trust import EngineTrust
from serving.gateway.upstream import UpstreamAnswer, UpstreamClient


class UpstreamByScheme:
    """Two clients behind one interface."""

    def __init__(self, own: UpstreamClient, public: UpstreamClient) -> None:
        self._own = own
        self._public = public

    def open(
        self,
        url: str,
        headers: dict[str, str],
        body: bytes,
        connect_seconds: float,
        trust: EngineTrust | None = None,
    ) -> Coroutine[Any, Any, UpstreamAnswer]:
        """See UpstreamClient.open. Not a coroutine itself: the chosen client's is handed on, which costs nothing."""
        return self._for(url, trust).open(url, headers, body, connect_seconds, trust)

    def get(
        self, url: str, headers: dict[str, str], seconds: float, trust: EngineTrust | None = None, most_bytes: int = 0
    ) -> Coroutine[Any, Any, bytes | None]:
        """See UpstreamClient.get."""
        return self._for(url, trust).get(url, headers, seconds, trust, most_bytes)

    async def close(self) -> None:
        """See UpstreamClient.close."""
        await self._own.close()
        await self._public.close()

    def _for(self, url: str, trust: EngineTrust | None) -> UpstreamClient:
        if trust is None:
            return self._own if url.startswith("http://") else self._public
        return self._public if trust.server_name is None else self._own
