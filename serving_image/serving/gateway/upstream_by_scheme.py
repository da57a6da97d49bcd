"""Chooses the upstream client by the URL's scheme: the fast one for plain HTTP, aiohttp for TLS."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from serving.gateway.upstream import UpstreamAnswer, UpstreamClient


class UpstreamByScheme:
    """Two clients behind one interface."""

    def __init__(self, plain: UpstreamClient, secure: UpstreamClient) -> None:
        self._plain = plain
        self._secure = secure

    def open(
        self, url: str, headers: dict[str, str], body: bytes, connect_seconds: float
    ) -> Coroutine[Any, Any, UpstreamAnswer]:
        """See UpstreamClient.open. Not a coroutine itself: the chosen client's is handed on, which costs nothing."""
        return self._for(url).open(url, headers, body, connect_seconds)

    def probe(self, url: str, headers: dict[str, str], seconds: float) -> Coroutine[Any, Any, bool]:
        """See UpstreamClient.probe."""
        return self._for(url).probe(url, headers, seconds)

    async def close(self) -> None:
        """See UpstreamClient.close."""
        await self._plain.close()
        await self._secure.close()

    def _for(self, url: str) -> UpstreamClient:
        return self._plain if url.startswith("http://") else self._secure
