"""One request and its answer on a client connection: ASGI's `receive` and `send`, without what slipway never uses."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable

from serving.gateway.asgi import Header, Message, Scope

# Beyond this a body waits in the kernel until the application has taken what is here.
_READ_BUFFER = 256 * 1024


def _status_line(status: int) -> bytes:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


_STATUS_LINES = {status: _status_line(status) for status in range(200, 600)}


class Carrier:
    """The client's connection, as far as an exchange and the steps touch it. GatewayConnection is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.write_paused = False

    def write(self, piece: bytes) -> None:
        """Send bytes, unless the connection is closing."""
        raise NotImplementedError

    def abort(self) -> None:
        """Cut the connection without waiting for unsent bytes."""
        raise NotImplementedError

    def resume_reading(self) -> None:
        """The application took what was here."""
        raise NotImplementedError

    def standard_headers(self) -> bytes:
        """What every answer's head begins with."""
        raise NotImplementedError

    def answered(self, exchange: Exchange) -> None:
        """An answer was handed to the transport."""
        raise NotImplementedError

    async def drained(self) -> None:
        """Until the client has caught up, or is gone."""
        raise NotImplementedError

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` once if the client leaves before the running answer is complete."""
        raise NotImplementedError

    def peer_names(self) -> tuple[str, ...]:
        """The names in the certificate that the client showed and its authority vouched for; none without one."""
        raise NotImplementedError


class Exchange:
    """The connection feeds it with the request's body; the application reads that and sends the answer."""

    __slots__ = (
        "_chunked",
        "_connection",
        "_head",
        "_left",
        "_more_body",
        "_news",
        "_pieces",
        "_waiter",
        "buffered",
        "disconnected",
        "expects_continue",
        "gone",
        "keep_alive",
        "response_complete",
        "response_started",
        "scope",
        "task",
    )

    def __init__(self, scope: Scope, connection: Carrier, keep_alive: bool, expects_continue: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        # Called once when the client leaves before its answer is complete.
        self.gone: Callable[[], None] | None = None
        self.buffered = 0
        self.task: asyncio.Task[None] | None = None
        self._connection = connection
        self._pieces: list[bytes] = []
        self._more_body = True
        # Whether something came that `receive` has not told yet.
        self._news = False
        self._waiter: asyncio.Future[None] | None = None
        # The answer's head until its first body bytes go with it; how the body is framed and what it still owes.
        self._head: list[bytes] = []
        self._chunked = True
        self._left = 0

    def ended(self) -> None:
        """The application is done with it."""
        if not self.response_complete and not self.disconnected:
            # Whatever was sent is not a whole answer: the one honest end.
            self._connection.abort()

    # Called by the connection.

    def add_body(self, piece: bytes) -> bool:
        """A piece of the body; whether so much waits that reading should pause."""
        if self.response_complete:
            return False  # nobody wants it any more
        self._pieces.append(piece)
        self.buffered += len(piece)
        self._wake()
        return self.buffered > _READ_BUFFER

    def end_body(self) -> None:
        """The whole request is here."""
        if not self.response_complete:
            self._more_body = False
            self._wake()

    def disconnect(self) -> None:
        """The client is gone, or nothing more may be said to it."""
        if self.response_complete:
            return
        self.disconnected = True
        self._wake()
        gone, self.gone = self.gone, None
        if gone is not None:
            gone()

    def _wake(self) -> None:
        self._news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Called by the application.

    async def receive(self) -> Message:
        """ASGI's receive: what has come of the body, or `http.disconnect`."""
        connection = self._connection
        if self.expects_continue:
            self.expects_continue = False
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._news and not self.disconnected and not self.response_complete:
            connection.resume_reading()
            self._waiter = connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._taken(), "more_body": self._more_body}

    def whole_body(self) -> bytes | None:
        """What `receive` would tell, at once, if the whole body is here and nothing of it was told."""
        if self._more_body or not self._news or self.expects_continue or self.disconnected or self.response_complete:
            return None
        return self._taken()

    def _taken(self) -> bytes:
        self._news = False
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        self._connection.resume_reading()
        return body

    def answer(self, status: int, headers: list[Header], body: bytes) -> bool:
        """A whole answer, at once: what ASGI's two messages would do. `headers` have its content-length.

        False, and nothing sent, while the client reads more slowly than answers come.
        """
        connection = self._connection
        if connection.write_paused and not self.disconnected:
            return False
        if not self.disconnected:
            self._start(status, headers)
            self._send_body(body, False)
        return True

    async def send(self, message: Message) -> None:
        """ASGI's send. The head waits for the first bytes of the body, so that a small answer is one write."""
        connection = self._connection
        if connection.write_paused and not self.disconnected:
            await connection.drained()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message["headers"])
            return
        if not self.response_started or self.response_complete:
            raise RuntimeError("a body without a head, or after its end")
        self._send_body(message.get("body", b""), message.get("more_body", False))

    def _send_body(self, body: bytes, more: bool) -> None:
        connection = self._connection
        parts = self._head
        if self._chunked:
            if body:
                parts += (b"%x\r\n" % len(body), body, b"\r\n")
            if not more:
                parts.append(b"0\r\n\r\n")
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("a body of another length than its head says")
            if self.scope["method"] != "HEAD":
                parts.append(body)
        if parts:
            connection.write(b"".join(parts))
            self._head = []
        if not more:
            self.response_complete = True
            self._wake()
            connection.answered(self)

    def _start(self, status: int, headers: list[Header]) -> None:
        if self.response_started:
            raise RuntimeError("two heads")
        self.response_started = True
        self.expects_continue = False
        lines = [_STATUS_LINES[status], self._connection.standard_headers()]
        expected = 2 + len(headers)
        lengthless = True
        closes = False
        for name, value in headers:
            if name == b"content-length":
                lengthless = False
                self._left = int(value)
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
                closes = True
            lines += (name, b": ", value, b"\r\n")
        if lengthless and (self.scope["method"] == "HEAD" or self.scope["http_version"] == "1.0"):
            # HTTP/1.0 has no chunks: the end of the connection ends the body.
            self.keep_alive = False
            self._left = 1 << 62
            lengthless = False
        self._chunked = lengthless
        if lengthless:
            lines.append(b"transfer-encoding: chunked\r\n")
            expected += 1
        if not self.keep_alive and not closes:
            lines.append(b"connection: close\r\n")
            expected += 1
        head = b"".join(lines)
        # Values may come from an engine or a configuration: one more line than meant would be an injected header.
        if head.count(b"\n") != expected or head.count(b"\r") != expected or b"\0" in head:
            raise RuntimeError("a line break in a header")
        self._head = [head, b"\r\n"]
