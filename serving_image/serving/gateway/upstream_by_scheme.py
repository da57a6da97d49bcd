"""Chooses the upstream client: the fast one for engines of ours, plain or with TLS, aiohttp for TLS to anybody else."""

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

    def probe(
        self, url: str, headers: dict[str, str], seconds: float, trust: EngineTrust | None = None
    ) -> Coroutine[Any, Any, bool]:
        """See UpstreamClient.probe."""
        return self._for(url, trust).probe(url, headers, seconds, trust)

    async def close(self) -> None:
        """See UpstreamClient.close."""
        await self._own.close()
        await self._public.close()

    def _for(self, url: str, trust: EngineTrust | None) -> UpstreamClient:
        return self._own if trust is not None or url.startswith("http://") else self._public
