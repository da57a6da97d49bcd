"""One client connection: HTTP/1.1 by httptools with limits on what arrives, and a drain that loses nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import httptools

from serving.gateway.asgi import Application
from serving.gateway.exchange import Carrier, Exchange
from serving.gateway.wire import certified_names, feed, invalid_http, path_and_query, send_without_delay, unread_bytes

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from serving.gateway.traffic import ListenerConfig

_LARGEST_HEAD = 64 * 1024
# The framing of a chunked body may weigh more than what it frames (one byte per chunk: five), and endless chunk
# extensions and trailers are no body bytes at all: what is not body gets a bound of its own.
_FRAMING_FACTOR = 8


class GatewayConnection(Carrier):
    """What the event loop knows as a protocol: it replaces uvicorn's, which spends 15 µs per request on what slipway
    does not use (2026-11). Requests of one connection are answered one after the other.

    No asyncio.Protocol, whose methods it has: a class made by the interpreter has no compiled fields."""

    def __init__(
        self,
        config: ListenerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(_loop or asyncio.get_running_loop())
        self._application: Application = cast("Any", config).loaded_app
        self._traffic = config.traffic
        self._writes = config.traffic.writes
        self._keep_alive_seconds = config.timeout_keep_alive
        self._connections = cast("set[GatewayConnection]", server_state.connections)
        self._transport: asyncio.Transport = cast("Any", None)
        self._parser = httptools.HttpRequestParser(self)
        # Bytes behind a request that said `Connection: close` are ignored: the request itself was good.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._reading_paused = False
        self._drained: asyncio.Future[None] | None = None
        # The exchange being answered, the one being received, and those between them (pipelined).
        self._running: Exchange | None = None
        self._arriving: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects_continue = False
        self._in_head = True
        self._head_since: float | None = None
        self._message_bytes = 0
        self._quiet_since = self.loop.time()
        self._head_timer: asyncio.TimerHandle | None = None
        self._client: tuple[str, int] | None = None
        self._peer_names: tuple[str, ...] | None = None
        self._extensions: dict[str, Any] = {"slipway.connection": self}

    # What the event loop tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection was accepted."""
        self._transport = cast("asyncio.Transport", transport)
        send_without_delay(self._transport)
        peer = transport.get_extra_info("peername")
        self._client = (str(peer[0]), int(peer[1])) if peer else None
        self._connections.add(self)
        # A connection that never says anything is bounded too.
        self._head_timer = self.loop.call_later(self._traffic.header_seconds, self._head_too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._cancel_head_timer()
        self._connections.discard(self)
        self._extensions.clear()
        self._waiting.clear()
        if self._arriving is not None:
            self._arriving.disconnect()
        if self._running is not None:
            self._running.disconnect()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        if self._in_head and self._head_since is None:
            self._head_since = self.loop.time()
            self._message_bytes = 0
        self._message_bytes += len(data)
        try:
            feed(self._parser, data)
        except httptools.HttpParserError:
            self._refuse_http("an invalid request")
            return
        if self._in_head:
            if self._head_since is None or self._transport.is_closing():
                return  # the end of a message, nothing of the next
            if self._message_bytes > _LARGEST_HEAD:
                self._refuse_http("a request head larger than 64 KiB")
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(self._traffic.header_seconds, self._head_too_slow)
        elif self._message_bytes > _LARGEST_HEAD + _FRAMING_FACTOR * self._traffic.message_bytes:
            self.abort()

    def pause_writing(self) -> None:
        """The client reads more slowly than answers come."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """The client has caught up, or is gone."""
        self.write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # What the parser tells it.

    def on_message_begin(self) -> None:
        """The parser saw a request's first bytes."""
        self._url = b""
        self._headers = []
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers, which come after the head, are dropped."""
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self._expects_continue = True
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A whole head is here."""
        self._in_head = False
        self._head_since = None
        if self._head_timer is not None:
            self._cancel_head_timer()
        parser = self._parser
        version = parser.get_http_version()
        path, query = path_and_query(self._url)
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": path,
            "query_string": query,
            "headers": self._headers,
            "client": self._client,
            "extensions": self._extensions,
        }
        keep_alive = not self._traffic.draining and version != "1.0" and parser.should_keep_alive()
        exchange = self._arriving = Exchange(scope, self, keep_alive, self._expects_continue)
        if self._running is None:
            self._start(exchange)
        else:
            self._pause_reading()
            self._waiting.append(exchange)

    def on_body(self, body: bytes) -> None:
        """A piece of the body; its bytes are the application's to count."""
        self._message_bytes -= len(body)
        if self._arriving is not None and self._arriving.add_body(body):
            self._pause_reading()

    def on_message_complete(self) -> None:
        """A whole request is here; the next bytes begin another one."""
        self._in_head = True
        self._message_bytes = 0
        if self._arriving is not None:
            self._arriving.end_body()
            self._arriving = None

    # What an exchange asks of it.

    def write(self, piece: bytes) -> None:
        """Send bytes, unless the connection is closing."""
        self._writes.add(self._transport, piece)

    async def drained(self) -> None:
        """Until the client has caught up, or is gone."""
        while self.write_paused:
            self._drained = self.loop.create_future()
            await self._drained

    def resume_reading(self) -> None:
        """The application took what was here."""
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def answered(self, exchange: Exchange) -> None:
        """An answer was handed to the transport."""
        self._quiet_since = self.loop.time()
        if self._running is exchange:
            self._running = None
        if not exchange.keep_alive:
            self._writes.close(self._transport)
        elif not self._transport.is_closing():
            self.resume_reading()
            if self._waiting:
                self._start(self._waiting.popleft())

    def standard_headers(self) -> bytes:
        """What every answer's head begins with."""
        return self._traffic.date_line

    # What the application and the listener ask of it.

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` once if the client leaves before the running answer is complete."""
        self.resume_reading()  # a paused connection would not notice
        running = self._running
        if running is None or running.disconnected:
            gone()
        else:
            running.gone = gone

    def abort(self) -> None:
        """Cut the connection without waiting for unsent bytes."""
        if self._running is not None:
            self._running.disconnected = True
        self._transport.abort()

    def peer_names(self) -> tuple[str, ...]:
        """The names in the certificate that the client showed and its authority vouched for; none without one."""
        if self._peer_names is None:
            self._peer_names = certified_names(self._transport)
        return self._peer_names

    def begin_drain(self) -> None:
        """Answers that have not begun will say `Connection: close`.

        One that has begun promised to keep the connection, so it is kept: the next request's answer says close.
        """
        last = self._waiting[-1] if self._waiting else self._running
        if last is not None and not last.response_started:
            last.keep_alive = False

    def close_if_idle(self, grace: float) -> None:
        """Close if nothing runs, nothing arrives and nothing waits unread, for `grace` seconds."""
        if self._running is not None or self._head_since is not None or self._transport.is_closing():
            return
        if self.loop.time() - self._quiet_since >= grace and not unread_bytes(self._transport):
            self._writes.close(self._transport)

    def close_if_expired(self) -> None:
        """Close if kept alive for nothing. (One look a second at all of them is cheaper than a timer per answer.)"""
        if self.loop.time() - self._quiet_since >= self._keep_alive_seconds:
            self.close_if_idle(self._keep_alive_seconds)

    def _start(self, exchange: Exchange) -> None:
        self._running = exchange
        exchange.scope["slipway.exchange"] = exchange
        self._traffic.workers.start(exchange, self._application, self.loop)

    def _refuse_http(self, found: str) -> None:
        """Invalid HTTP. In the middle of an answer nothing may be said that would look like part of it."""
        running = self._running
        if running is not None:
            if running.response_started or self._waiting:
                self.abort()
                return
            # The head was good, what follows is not: the request that has begun gets this answer and no other.
            running.disconnect()
        self.write(invalid_http(found))
        self._writes.close(self._transport)

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _head_too_slow(self) -> None:
        self._head_timer = None
        # An answer still running on this connection is not paid for by the slow head behind it.
        if self._in_head and self._running is None:
            self.abort()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
