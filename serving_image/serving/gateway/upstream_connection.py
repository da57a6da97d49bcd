"""One HTTP/1.1 connection to an engine and the answer it carries, on asyncio and httptools.

Engines are trusted not to attack, but not to be free of defects: sizes are bounded, and what breaks HTTP's framing ends
the answer as lost.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import httptools

from serving.gateway.upstream import UpstreamLost
from serving.gateway.write_batch import WriteBatch

# Beyond this an answer waits in the kernel and in the engine, not here.
_READ_BUFFER = 256 * 1024
_LARGEST_HEAD = 64 * 1024
# Chunk sizes, chunk extensions and trailers are not body: one byte per chunk is five of framing.
_FRAMING_FACTOR = 8
# Larger bodies are not copied behind the head; the event loop sends both in one system call all the same.
_COPIED_BODY = 16 * 1024


class HttpAnswer:
    """One answer, from the sent request on. Filled by its connection, read by the relay."""

    __slots__ = (
        "_connection",
        "_loop",
        "_pieces",
        "_waiter",
        "buffered",
        "complete",
        "failure",
        "headers",
        "heard",
        "status",
    )

    def __init__(self, connection: HttpConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection: HttpConnection | None = connection
        self._loop = loop
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.buffered = 0
        self.heard = False
        self.complete = False
        self.failure: str | None = None

    def header(self, name: str) -> bytes | None:
        """See UpstreamAnswer.header."""
        wanted = name.encode("latin-1")
        for key, value in self.headers:
            if len(key) == len(wanted) and key.lower() == wanted:
                return value
        return None

    async def read(self) -> bytes:
        """See UpstreamAnswer.read."""
        if not self._pieces:
            if self.complete:
                return b""
            if self.failure is None:
                await self.wait()
            if not self._pieces:
                if self.failure is not None:
                    raise UpstreamLost(self.failure)
                return b""
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if self.buffered > _READ_BUFFER and self._connection is not None:
            self._connection.resume()
        self.buffered = 0
        return piece

    def whole(self) -> bytes | None:
        """See UpstreamAnswer.whole."""
        if not self.complete:
            return None
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return piece

    def close(self) -> None:
        """See UpstreamAnswer.close."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.finished(self)

    async def wait(self) -> None:
        """Until the connection has something new to say. Cancelled, it closes the connection at once."""
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Something happened."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def add(self, piece: bytes) -> bool:
        """A piece of the body; whether so much waits that reading should pause."""
        self._pieces.append(piece)
        self.buffered += len(piece)
        return self.buffered > _READ_BUFFER


class HttpConnection:
    """One connection, either carrying one answer or idle in its pool. No asyncio.Protocol: see GatewayConnection."""

    __slots__ = (
        "_allowance",
        "_answer",
        "_framed",
        "_loop",
        "_parser",
        "_pool",
        "_reusable",
        "_transport",
        "_writes",
        "idle_since",
    )

    def __init__(self, pool: dict[HttpConnection, None], loop: asyncio.AbstractEventLoop, writes: WriteBatch) -> None:
        self._pool = pool
        self._loop = loop
        self._writes = writes
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: HttpAnswer | None = None
        self._reusable = False
        self._framed = False
        # How many more bytes that are not body may come.
        self._allowance = 0
        self.idle_since = 0.0

    # What the client asks of it.

    def send(self, head: bytes, body: bytes) -> HttpAnswer:
        """Send one request. Only when nothing else is running here."""
        answer = self._answer = HttpAnswer(self, self._loop)
        self._allowance = _LARGEST_HEAD
        self._framed = self._reusable = False
        transport = self._transport
        assert transport is not None
        if len(body) <= _COPIED_BODY:
            self._writes.add(transport, head + body)
        else:
            self._writes.add(transport, head)
            self._writes.add(transport, body)
        return answer

    def finished(self, answer: HttpAnswer) -> None:
        """Nobody reads on: keep the connection if its answer ended well, otherwise close it at once."""
        self._answer = None
        transport = self._transport
        if transport is None:
            return
        if answer.complete and self._reusable and not transport.is_closing() and not transport.get_write_buffer_size():
            if answer.buffered > _READ_BUFFER:
                transport.resume_reading()
            self.idle_since = self._loop.time()
            self._pool[self] = None
        else:
            transport.abort()

    def resume(self) -> None:
        """The answer was read up to here."""
        if self._transport is not None:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close without ceremony."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def usable(self) -> bool:
        """Whether a request may be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    # What the event loop tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            # Without it a request in two segments waits for the engine's delayed ACK: 40 ms.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        answer = self._answer
        if answer is None:  # idle: an answer to nothing
            self._drop()
            return
        answer.heard = True
        self._allowance -= len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(type(error).__name__)
            return
        if self._allowance < 0 and not answer.complete:
            self._fail("more framing than body")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        if self._answer is None:
            self._drop()
        else:
            self._fail("connection closed" if exc is None else type(exc).__name__)

    # What the parser tells it. Nothing that follows a complete answer is looked at.

    def on_message_begin(self) -> None:
        """A status line: the first one, one after 1xx, or one that nobody asked for."""
        if self._answer is None or self._answer.complete:
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer, which nobody wants."""
        answer = self._answer
        if answer is None or answer.status:
            return
        answer.headers.append((name, value))
        length = len(name)
        if length == 14:
            self._framed |= name.lower() == b"content-length"
        elif length == 17 and name.lower() == b"transfer-encoding":
            # With another coding in it only closing would mark the end.
            self._framed = value.lower() == b"chunked"

    def on_headers_complete(self) -> None:
        """A whole head. 1xx are not the answer yet."""
        answer = self._answer
        if answer is None or answer.complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            answer.headers.clear()
            self._framed = False
            return
        if not self._framed and status not in (204, 304):
            # It would last until the connection closes: an answer that was cut looks the same as one that ended.
            self._fail("neither content-length nor chunked")
            return
        answer.status = status
        self._reusable = self._parser.should_keep_alive()
        answer.wake()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        answer = self._answer
        if answer is None or answer.complete or not answer.status:
            return
        self._allowance += len(body) * (1 + _FRAMING_FACTOR)
        if answer.add(body) and self._transport is not None:
            self._transport.pause_reading()
        answer.wake()

    def on_message_complete(self) -> None:
        """The proper end."""
        answer = self._answer
        if answer is not None and answer.status:
            answer.complete = True
            answer.wake()

    def _fail(self, why: str) -> None:
        """This connection is of no more use; its answer is lost unless it was complete."""
        self._reusable = False
        answer = self._answer
        if answer is not None and not answer.complete and answer.failure is None:
            answer.failure = why
            answer.wake()
        self.abort()

    def _drop(self) -> None:
        self._pool.pop(self, None)
        self.abort()
