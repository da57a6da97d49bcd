"""The fast upstream client: HTTP/1.1 to engines nearby, on asyncio and httptools (about 10 µs per request).

It does what engines inside a cluster need and nothing else: one request per connection at a time, no redirects, no
proxies, no decompression, and TLS only with a certificate of the one authority that vouches for an engine. Everything
else is for upstream_aiohttp.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit

from serving.gateway.engine_trust import EngineTrust
from serving.gateway.upstream import UpstreamAnswer, UpstreamLost, UpstreamUnreachable
from serving.gateway.upstream_connection import HttpConnection
from serving.gateway.upstream_secure_connection import SecureHttpConnection
from serving.gateway.write_batch import WriteBatch

# Engines on uvicorn close idle connections after 5 s. Letting go earlier makes the race over a dying one rare.
_IDLE_SECONDS = 4.0
_SWEEP_SECONDS = 1.0
_MOST_URLS = 4096

_Origin = tuple[str, int, EngineTrust | None]


class HttpUpstream:
    """Connections to engines, kept per origin without a limit on their number."""

    def __init__(self) -> None:
        # Idle connections as ordered sets: used last is last, and any can go at once.
        self._pools: dict[_Origin, dict[HttpConnection, None]] = {}
        # URL -> where to connect, and the request's head up to its own headers, for POST and for GET.
        self._parsed: dict[tuple[str, EngineTrust | None], tuple[_Origin, str]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._writes = WriteBatch()

    async def open(
        self,
        url: str,
        headers: dict[str, str],
        body: bytes,
        connect_seconds: float,
        trust: EngineTrust | None = None,
    ) -> UpstreamAnswer:
        """See UpstreamClient.open."""
        origin, target = self._parse(url, trust)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") != len(headers):
            raise ValueError("a line break in a header")
        head = f"POST {target}{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1")
        connection = self._take(origin)
        if connection is not None:
            answer = connection.send(head, body)
            while not answer.status and answer.failure is None:
                await answer.wait()
            if answer.status:
                return answer
            if answer.heard:
                raise UpstreamLost(answer.failure)
        connection = await self._connect(origin, connect_seconds)
        answer = connection.send(head, body)
        while not answer.status and answer.failure is None:
            await answer.wait()
        if answer.status:
            return answer
        raise UpstreamLost(answer.failure)

    async def get(
        self, url: str, headers: dict[str, str], seconds: float, trust: EngineTrust | None = None, most_bytes: int = 0
    ) -> bytes | None:
        """See UpstreamClient.get. On a connection of its own: it also shows that connecting works."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        try:
            origin, target = self._parse(url, trust)
            async with asyncio.timeout(seconds):
                connection = await self._connect(origin, seconds)
                try:
                    head = f"GET {target}{lines}Connection: close\r\n\r\n".encode("latin-1")
                    answer = connection.send(head, b"")
                    while not answer.status and answer.failure is None:
                        await answer.wait()
                    if answer.status != 200:
                        return None
                    body = b""
                    while most_bytes and (piece := await answer.read()):
                        body += piece
                        if len(body) > most_bytes:
                            return None
                    return body
                finally:
                    connection.abort()
        except (UpstreamLost, UpstreamUnreachable, OSError, TimeoutError, ValueError):
            return None

    async def close(self) -> None:
        """See UpstreamClient.close. Answers still being read close their own."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for pool in self._pools.values():
            for connection in list(pool):
                connection.abort()
            pool.clear()

    def _take(self, origin: _Origin) -> HttpConnection | None:
        """The connection used last, which is the least likely to be dead."""
        pool = self._pools.get(origin)
        while pool:
            connection, _ = pool.popitem()
            if connection.usable:
                return connection
        return None

    async def _connect(self, origin: _Origin, seconds: float) -> HttpConnection:
        loop = asyncio.get_running_loop()
        if self._sweeper is None:
            self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep)
        host, port, trust = origin
        kind = HttpConnection if trust is None else SecureHttpConnection
        connection = kind(self._pools.setdefault(origin, {}), loop, self._writes)
        try:
            async with asyncio.timeout(seconds):
                if trust is None:
                    await loop.create_connection(lambda: cast("Any", connection), host, port)
                else:
                    await loop.create_connection(
                        lambda: cast("Any", connection),
                        host,
                        port,
                        ssl=trust.context,
                        server_hostname=trust.server_name,
                    )
        except (OSError, TimeoutError, UnicodeError) as error:
            connection.abort()
            raise UpstreamUnreachable(type(error).__name__) from None
        except asyncio.CancelledError:
            connection.abort()
            raise
        if not connection.usable:  # it closed as soon as it was there
            raise UpstreamUnreachable("closed")
        return connection

    def _sweep(self) -> None:
        """Close what has been idle too long. One timer for all: one per request would cost more than the sweep."""
        loop = asyncio.get_running_loop()
        before = loop.time() - _IDLE_SECONDS
        for pool in self._pools.values():
            for connection in list(pool):
                if connection.idle_since > before:
                    break
                del pool[connection]
                connection.abort()
        self._sweeper = loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _parse(self, url: str, trust: EngineTrust | None) -> tuple[_Origin, str]:
        parsed = self._parsed.get((url, trust))
        if parsed is None:
            parts = urlsplit(url)
            scheme, usual = ("http", 80) if trust is None else ("https", 443)
            if parts.scheme != scheme or not parts.hostname:
                raise ValueError(f"not an {scheme}:// URL")
            if len(self._parsed) > _MOST_URLS:  # many reloads with ever new engines
                self._parsed.clear()
            host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
            port = parts.port or usual
            authority = host if port == usual else f"{host}:{port}"
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1\r\nHost: {authority}\r\n"
            parsed = self._parsed[url, trust] = ((parts.hostname, port, trust), target)
        return parsed
