"""A scripted fake engine: the model's name chooses how it behaves, and every call leaves an entry in a log.

It runs on a thread of the test's process, so its log can be read directly: amplification, disconnect latency and
orphaned work are read there, not guessed from the client. It notices a peer that closes in every phase, because
otherwise a test of disconnects would measure this file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

LONG_FRAMES = 40
LONG_PAUSE = 0.04
OK_FRAMES = 6


@dataclass
class Call:
    """One request that reached the engine. Times are time.monotonic()."""

    model: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes
    nth_on_connection: int
    started: float = field(default_factory=time.monotonic)
    frames: int = 0
    last_frame: float = 0.0
    finished: bool = False
    closed: float | None = None


class FakeEngine:
    """Start with `with FakeEngine() as engine`; `engine.url` is what the gateway is configured with."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.health_status = 200
        # Seconds before /health is answered.
        self.health_pause = 0.0
        self.health_keeps_connection = True
        # What GET /metrics says.
        self.metrics = ""
        self.health_headers: list[dict[str, str]] = []
        self.connections = 0
        self.open: set[_Connection] = set()
        # Chooses the behaviour instead of the model's name: for engines that differ while the model is the same.
        self.acts_as: str | None = None
        # Seconds before anything is answered.
        self.pause = 0.0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> FakeEngine:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(10)

    def _end(self) -> None:
        """As a process that is gone: its connections are, too, and not whenever Python collects them."""
        for connection in [*self.open]:
            connection.transport.abort()
        self._loop.call_soon(self._loop.stop)

    def of(self, model: str) -> list[Call]:
        """The calls for one model, in order."""
        return [call for call in self.calls if call.model == model]

    def wait_for_call(self, model: str, count: int = 1, seconds: float = 5) -> Call:
        """The `count`-th call for `model`, once it is there."""
        end = time.monotonic() + seconds
        while len(self.of(model)) < count:
            assert time.monotonic() < end, f"no call {count} for {model} within {seconds} s"
            time.sleep(0.005)
        return self.of(model)[count - 1]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(lambda: _Connection(self), sock=self._socket))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()


class _Connection(asyncio.Protocol):
    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.buffer = b""
        self.served = 0
        self.call: Call | None = None
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        # As every engine does: otherwise frames wait for the gateway's delayed ACK and arrive 40 ms apart, in bunches.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.engine.connections += 1
        self.engine.open.add(self)

    def eof_received(self) -> None:
        self._peer_closed()

    def connection_lost(self, exc: Exception | None) -> None:
        self.engine.open.discard(self)
        self._peer_closed()
        if self.task is not None:
            self.task.cancel()

    def _peer_closed(self) -> None:
        if self.call is not None and self.call.closed is None:
            self.call.closed = time.monotonic()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        self.served += 1
        _, path, _ = first.split(" ")
        if path == "/health":
            self.engine.health_headers.append(headers)
            if self.engine.health_pause:
                asyncio.get_running_loop().call_later(self.engine.health_pause, self.whole, 200, b"{}")
                return
            self.whole(self.engine.health_status, b"{}")
            if not self.engine.health_keeps_connection:
                self.transport.close()
            return
        if path == "/metrics":
            self.whole(200, self.engine.metrics.encode(), content_type="text/plain; version=0.0.4")
            return
        body = json.loads(rest[:length])
        self.call = Call(str(body.get("model")), path, headers, body, rest[:length], self.served)
        self.engine.calls.append(self.call)
        self.task = asyncio.get_running_loop().create_task(self.serve(self.call))

    async def serve(self, call: Call) -> None:
        behave = _BEHAVIOURS.get(self.engine.acts_as or call.model, _ok)
        with contextlib.suppress(asyncio.CancelledError):
            if self.engine.pause:
                await asyncio.sleep(self.engine.pause)
            await behave(self, call)

    def whole(self, status: int, body: bytes, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
        headers = {"content_type": "application/json", **headers}
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def head(self, content_type: str = "text/event-stream") -> None:
        self.transport.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )

    def chunk(self, data: bytes) -> None:
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def frame(self, call: Call, payload: bytes | None = None, end: bytes = b"\n\n") -> None:
        if payload is None:
            payload = json.dumps(
                {
                    "id": "x",
                    "object": "chat.completion.chunk",
                    "created": 1,
                    "model": call.model,
                    "choices": [{"index": 0, "delta": {"content": f"w{call.frames} "}, "finish_reason": None}],
                }
            ).encode()
        # Before the frame goes out: whatever this process loses afterwards, nobody had the frame earlier.
        call.last_frame = time.monotonic()
        self.chunk(b"data: " + payload + end)
        call.frames += 1

    def finish(self, call: Call) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": call.frames, "total_tokens": 7 + call.frames}
        chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": call.model}
        self.frame(call, json.dumps({**chunk, "choices": [_stop()]}).encode())
        if (call.body.get("stream_options") or {}).get("include_usage"):
            self.frame(call, json.dumps({**chunk, "choices": [], "usage": usage}).encode())
        self.chunk(b"data: [DONE]\n\n")
        self.transport.write(b"0\r\n\r\n")
        call.finished = True

    def reset(self) -> None:
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def _stop() -> dict[str, Any]:
    return {"index": 0, "delta": {}, "finish_reason": "stop"}


async def _frames(connection: _Connection, call: Call, count: int, pause: float) -> None:
    connection.head()
    for _ in range(count):
        connection.frame(call)
        await asyncio.sleep(pause)


async def _ok(connection: _Connection, call: Call) -> None:
    if call.body.get("stream"):
        await _frames(connection, call, OK_FRAMES, 0.005)
        connection.finish(call)
        return
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    if call.path == "/v1/embeddings":
        data = [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}]
        answer: dict[str, Any] = {"object": "list", "data": data, "model": call.model, "usage": usage}
    else:
        choice = {"index": 0, "finish_reason": "stop", "text": "hi"}
        choice["message"] = {"role": "assistant", "content": "hi"}
        answer = {"id": "x", "object": "chat.completion", "created": 1, "model": call.model, "choices": [choice]}
        answer["usage"] = usage
    call.finished = True
    connection.whole(200, json.dumps(answer).encode())


async def _long(connection: _Connection, call: Call) -> None:
    await _frames(connection, call, LONG_FRAMES, LONG_PAUSE)
    connection.finish(call)


async def _cut(connection: _Connection, call: Call) -> None:
    await _frames(connection, call, 5, 0.005)
    connection.transport.close()


async def _midframe(connection: _Connection, call: Call) -> None:
    await _frames(connection, call, 5, 0.005)
    connection.chunk(b'data: {"choices": [{"del')
    await asyncio.sleep(0.02)
    connection.transport.close()


async def _rst(connection: _Connection, call: Call) -> None:
    await _frames(connection, call, 5, 0.005)
    connection.reset()


async def _cleancut(connection: _Connection, call: Call) -> None:
    await _frames(connection, call, 5, 0.005)
    connection.transport.write(b"0\r\n\r\n")


async def _stall(connection: _Connection, call: Call) -> None:
    """All frames in one turn: between two of them a busy machine could be silent for longer than the limit."""
    connection.head()
    for _ in range(5):
        connection.frame(call)
    await asyncio.sleep(60)


async def _nohdr(connection: _Connection, call: Call) -> None:
    await asyncio.sleep(60)


async def _nobody(connection: _Connection, call: Call) -> None:
    connection.head()
    await asyncio.sleep(60)


async def _slow(connection: _Connection, call: Call) -> None:
    await asyncio.sleep(1.0)
    await _ok(connection, call)


async def _endless(connection: _Connection, call: Call) -> None:
    await _frames(connection, call, 2000, 0.03)


async def _flood(connection: _Connection, call: Call) -> None:
    """As fast as the peer reads; `frames` says how far it came."""
    connection.head()
    payload = json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 60_000}}]}).encode()
    for _ in range(2000):
        connection.frame(call, payload)
        while connection.transport.get_write_buffer_size() > 100_000:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    connection.finish(call)


async def _malformed(connection: _Connection, call: Call) -> None:
    await _frames(connection, call, 5, 0.005)
    connection.frame(call, b'{"choices": [')
    for _ in range(100):
        connection.frame(call)
        await asyncio.sleep(0.02)
    connection.finish(call)


async def _crlf(connection: _Connection, call: Call) -> None:
    connection.head()
    connection.chunk(b": keep-alive comment\r\n\r\n")
    for piece in (b'data: {"choices": ', b"[]}\r", b"\n\r\nda", b'ta: {"usage": {"prompt_tokens": 5, "comp'):
        connection.chunk(piece)
        await asyncio.sleep(0.005)
    connection.chunk(b'letion_tokens": 4}}\r\n\r\ndata: [DO')
    await asyncio.sleep(0.005)
    connection.chunk(b"NE]\r\n\r\n")
    connection.transport.write(b"0\r\n\r\n")


async def _e429(connection: _Connection, call: Call) -> None:
    body = b'{"error": {"message": "queue full", "type": "overloaded", "param": null, "code": "q"}}'
    connection.whole(429, body, retry_after="7")


async def _e503(connection: _Connection, call: Call) -> None:
    connection.whole(503, b"<html>down</html>", content_type="text/html", retry_after="3")


async def _e400(connection: _Connection, call: Call) -> None:
    connection.whole(400, b'{"object": "error", "message": "too long by 3 tokens", "code": 400}')


async def _e401(connection: _Connection, call: Call) -> None:
    connection.whole(401, b'{"error": {"message": "bad engine key", "type": "auth", "code": "x"}}')


async def _redirect(connection: _Connection, call: Call) -> None:
    connection.whole(307, b"", location="http://127.0.0.1:1/")


async def _stale(connection: _Connection, call: Call) -> None:
    """A kept connection that dies under its second request, before any byte of the answer."""
    if call.nth_on_connection > 1:
        connection.transport.close()
        return
    await _ok(connection, call)


async def _dead(connection: _Connection, call: Call) -> None:
    connection.transport.close()


async def _halfbody(connection: _Connection, call: Call) -> None:
    connection.transport.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"a')
    await asyncio.sleep(0.05)
    connection.transport.close()


async def _big(connection: _Connection, call: Call) -> None:
    body = b'{"data": [' + b",".join([b"0.12345678"] * 400_000) + b'], "usage": {"prompt_tokens": 9}}'
    connection.whole(200, body)


async def _bigcut(connection: _Connection, call: Call) -> None:
    connection.head("application/json")
    connection.chunk(b"[" + b"1," * 1_500_000)
    await asyncio.sleep(0.2)
    connection.transport.close()


async def _hollow(connection: _Connection, call: Call) -> None:
    connection.whole(200, b"{}")


_Behaviour = Callable[[_Connection, Call], Awaitable[None]]
_BEHAVIOURS: dict[str, _Behaviour] = {
    "long": _long,
    "cut": _cut,
    "midframe": _midframe,
    "rst": _rst,
    "cleancut": _cleancut,
    "stall": _stall,
    "nohdr": _nohdr,
    "nobody": _nobody,
    "slow": _slow,
    "endless": _endless,
    "flood": _flood,
    "malformed": _malformed,
    "crlf": _crlf,
    "e429": _e429,
    "e503": _e503,
    "e400": _e400,
    "e401": _e401,
    "redirect": _redirect,
    "stale": _stale,
    "dead": _dead,
    "halfbody": _halfbody,
    "big": _big,
    "bigcut": _bigcut,
    "hollow": _hollow,
}
MODELS = ("ok", "embed", *_BEHAVIOURS)
