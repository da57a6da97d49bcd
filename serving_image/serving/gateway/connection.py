"""One client connection: uvicorn's httptools protocol with limits on what arrives, and a drain that loses nothing."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from serving.gateway.asgi import REQUEST_ID_HEADER
from serving.gateway.context import next_request_id
from serving.gateway.refusal import error_body, four_parts

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from serving.gateway.traffic import ListenerConfig

_LARGEST_HEAD = 64 * 1024
# The framing of a chunked body may weigh more than what it frames (one byte per chunk: five), and endless chunk
# extensions and trailers are no body bytes at all: what is not body gets a bound of its own.
_FRAMING_FACTOR = 8


class GatewayConnection(HttpToolsProtocol):
    """Adds to uvicorn: TCP_NODELAY, limits on the head's size and time, OpenAI-shaped 400s, `abort`, and drain."""

    config: ListenerConfig

    def __init__(
        self,
        config: ListenerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._traffic = config.traffic
        self._in_head = True
        self._head_since: float | None = None
        self._message_bytes = 0
        self._quiet_since = self.loop.time()
        self._head_timer: asyncio.TimerHandle | None = None
        self._extensions: dict[str, Any] = {"slipway.connection": self}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection was accepted."""
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            # Without it a small answer waits for the client's delayed ACK: 40 ms on kept-alive connections.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        # A connection that never says anything is bounded too.
        self._head_timer = self.loop.call_later(self._traffic.header_seconds, self._head_too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._cancel_head_timer()
        self._extensions.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        if self._in_head and self._head_since is None:
            self._head_since = self.loop.time()
            self._message_bytes = 0
        self._message_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            if self._head_since is None:
                return  # the end of a message, nothing of the next
            if self._message_bytes > _LARGEST_HEAD:
                self.send_400_response("request head larger than 64 KiB")
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(self._traffic.header_seconds, self._head_too_slow)
        elif self._message_bytes > _LARGEST_HEAD + _FRAMING_FACTOR * self._traffic.message_bytes:
            self.abort()

    def on_message_begin(self) -> None:
        """The parser saw a request's first bytes."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers, which come after the head, are dropped."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A whole head is here."""
        self._in_head = False
        self._head_since = None
        self._cancel_head_timer()
        super().on_headers_complete()
        if self._traffic.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of the body; its bytes are the application's to count."""
        self._message_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A whole request is here; the next bytes begin another one."""
        self._in_head = True
        self._message_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was handed to the transport."""
        self._quiet_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Invalid HTTP. In the middle of an answer nothing may be said that would look like part of it."""
        running = self._running()
        if running is not None:
            if running.response_started or self.pipeline:
                self.abort()
                return
            # The head was good, what follows is not: the request that has begun gets this answer and no other.
            running.disconnected = True
            running.message_event.set()
        message = four_parts("HTTP", msg.rstrip("."), "well-formed HTTP/1.1", "Correct the client or the proxy.")
        body = error_body(message, "invalid_request_error", None, "invalid_http")
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b: %b\r\n"
            b"connection: close\r\n\r\n%b" % (len(body), REQUEST_ID_HEADER, next_request_id(), body)
        )
        self.transport.close()

    def abort(self) -> None:
        """Cut the connection without waiting for unsent bytes."""
        running = self._running()
        if running is not None:
            running.disconnected = True
        self.transport.abort()

    def begin_drain(self) -> None:
        """Answers that have not begun will say `Connection: close`.

        One that has begun promised to keep the connection, so it is kept: the next request's answer says close.
        """
        queued = self.pipeline[0][0] if self.pipeline else self._running()
        if queued is not None and not queued.response_started:
            queued.keep_alive = False

    def close_if_idle(self, grace: float) -> None:
        """Close if nothing runs, nothing arrives and nothing waits unread, for `grace` seconds."""
        if self._running() is not None or self.pipeline or self._head_since is not None:
            return
        if self.transport.is_closing():
            return
        if self.loop.time() - self._quiet_since >= grace and not self._unread():
            self.transport.close()

    def _running(self) -> RequestResponseCycle | None:
        """The request whose answer is not complete. (uvicorn declares the attribute without its initial None.)"""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle if cycle is not None and not cycle.response_complete else None

    def _unread(self) -> bool:
        """Whether the kernel holds bytes that the event loop has not read yet: the start of a request."""
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is None:
            return False
        try:
            waiting = fcntl.ioctl(raw.fileno(), termios.FIONREAD, b"\0" * 4)
        except OSError:
            return False
        return struct.unpack("i", waiting)[0] > 0

    def _head_too_slow(self) -> None:
        self._head_timer = None
        # An answer still running on this connection is not paid for by the slow head behind it.
        if self._in_head and self._running() is None:
            self.abort()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
