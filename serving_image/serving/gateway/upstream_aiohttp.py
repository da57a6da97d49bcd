"""The safe default upstream client, on aiohttp: TLS, any HTTP/1.1 engine (about 55 µs per request, 2026-11)."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import ClientTimeout
from yarl import URL

from serving.gateway.engine_trust import EngineTrust
from serving.gateway.upstream import UpstreamAnswer, UpstreamLost, UpstreamUnreachable

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

# Engines on uvicorn close idle connections after 5 s. Letting go earlier makes the race over a dying one rare.
_IDLE_SECONDS = 4.0
# aiohttp pauses reading at twice this: 256 KiB per stream wait for a slow client, no more.
_READ_BUFFER = 128 * 1024
# Set by the connector in the requesting task's context: whether the connection had served before.
_reused: ContextVar[bool] = ContextVar("reused", default=False)


class _Connector(aiohttp.TCPConnector):
    """A TCPConnector that tells the request whether it got a kept connection."""

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        _reused.set(getattr(protocol, "slipway_served", False))
        setattr(protocol, "slipway_served", True)  # noqa: B010 - not an attribute aiohttp declares
        return connection


class _Answer:
    """One aiohttp response behind the UpstreamAnswer interface."""

    __slots__ = ("_response", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status

    def header(self, name: str) -> bytes | None:
        value = self._response.headers.get(name)
        return None if value is None else value.encode("latin-1", "replace")

    async def read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamLost(type(error).__name__) from None

    def whole(self) -> bytes | None:
        return None

    def close(self) -> None:
        if self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()


class AiohttpUpstream:
    """One session for all engines: pools are per origin, without a limit on connections (limit=0)."""

    def __init__(self) -> None:
        self._session = self._new_session(_Connector(limit=0, keepalive_timeout=_IDLE_SECONDS))
        # For the one repetition: must not be handed another stale connection.
        self._fresh = self._new_session(_Connector(limit=0, force_close=True))
        self._urls: dict[str, URL] = {}
        self._timeouts: dict[float, ClientTimeout] = {}

    @staticmethod
    def _new_session(connector: _Connector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            read_bufsize=_READ_BUFFER,
            trust_env=False,
        )

    async def open(
        self,
        url: str,
        headers: dict[str, str],
        body: bytes,
        connect_seconds: float,
        trust: EngineTrust | None = None,
    ) -> UpstreamAnswer:
        """See UpstreamClient.open. Without `trust` it is the system's authorities that vouch."""
        _reused.set(False)
        try:
            return await self._send(self._session, url, headers, body, connect_seconds, trust)
        except UpstreamLost:
            if not _reused.get():
                raise
        return await self._send(self._fresh, url, headers, body, connect_seconds, trust)

    async def _send(
        self,
        session: aiohttp.ClientSession,
        url: str,
        headers: dict[str, str],
        body: bytes,
        connect_seconds: float,
        trust: EngineTrust | None,
    ) -> _Answer:
        timeout = self._timeouts.get(connect_seconds)
        if timeout is None:
            # No total and no read limit: the request's lifeline keeps time, and tells the reasons apart.
            timeout = ClientTimeout(total=None, sock_read=None, sock_connect=connect_seconds)
            self._timeouts = {connect_seconds: timeout}
        try:
            response = await session.request(
                "POST",
                self._url(url),
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                # Connections are kept by it too.
                ssl=True if trust is None else trust.context,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UpstreamUnreachable(type(error).__name__) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamLost(type(error).__name__) from None
        return _Answer(response)

    async def get(
        self, url: str, headers: dict[str, str], seconds: float, trust: EngineTrust | None = None, most_bytes: int = 0
    ) -> bytes | None:
        """See UpstreamClient.get."""
        try:
            async with self._session.get(
                self._url(url),
                headers=headers,
                timeout=ClientTimeout(total=seconds),
                allow_redirects=False,
                ssl=True if trust is None else trust.context,
            ) as response:
                if response.status != 200:
                    return None
                body = b""
                while most_bytes and (piece := await response.content.readany()):
                    body += piece
                    if len(body) > most_bytes:
                        return None
                return body
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None

    async def close(self) -> None:
        """See UpstreamClient.close."""
        await self._session.close()
        await self._fresh.close()

    def _url(self, url: str) -> URL:
        parsed = self._urls.get(url)
        if parsed is None:
            if len(self._urls) > 4096:  # many reloads with ever new engines
                self._urls.clear()
            parsed = self._urls[url] = URL(url)
        return parsed
