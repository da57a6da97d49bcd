"""Gateway: fuzz of a client connection. Any bytes become requests or an honest 400, wherever they are cut."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from serving.gateway.config import LimitsConfig
from serving.gateway.connection import GatewayConnection
from serving.gateway.traffic import Traffic
from tests.serving.mutating import cuts, examples, mutated_bytes, pieces


class _Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Server:
    """What the connection wants to know of uvicorn."""

    timeout_keep_alive = 5

    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        limits = {"body_bytes": 4096, "messages": 1, "choices": 1, "connect_seconds": 1, "keep_alive_seconds": 5}
        self.traffic = Traffic(LimitsConfig(**limits))
        self.seen: list[tuple[str, str, list[tuple[bytes, bytes]], bytes]] = []

    async def loaded_app(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers with what it has seen, once the body is whole."""
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.seen.append((scope["method"], scope["path"], scope["headers"], body))
        answer = json.dumps([scope["method"], len(body)]).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})


def served(parts: list[bytes]) -> tuple[list[Any], bytes, bool]:
    """What the application saw of these bytes, what was answered, and whether the connection was closed."""

    async def run() -> tuple[list[Any], bytes, bool]:
        server, wire = _Server(), _Wire()
        connection = GatewayConnection(server, server, {})  # type: ignore[arg-type]
        connection.connection_made(wire)
        for part in parts:
            if wire.closed:
                break
            connection.data_received(part)
        for _ in range(60):
            await asyncio.sleep(0)
        outcome = (server.seen, _without_what_changes(wire.written), wire.closed)
        connection.connection_lost(None)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not server.tasks, "a request goes on for a client that is gone"
        assert not server.connections
        return outcome

    return asyncio.run(run())


def _without_what_changes(answers: bytes) -> bytes:
    return re.sub(rb"(date|x-request-id): [^\r]*\r\n", b"", answers)


def _request(path: str, body: bytes, chunked: bool, extra: bytes = b"") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n".encode() + extra
    if chunked:
        middle = len(body) // 2
        framed = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in (body[:middle], body[middle:]) if part)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\nTrailer: t\r\n\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


_good = st.builds(
    _request,
    st.sampled_from(["/v1/chat/completions", "/v1/models?x=1", "/%41", "/"]),
    st.binary(max_size=40) | st.just(b"GET / HTTP/1.1\r\n\r\n"),
    st.booleans(),
    st.sampled_from(
        [b"", b"X-A: b\r\n", b"Expect: 100-continue\r\n", b"Connection: Keep-Alive\r\n", b"Upgrade: x\r\n"]
    ),
)
_several = st.lists(_good, min_size=1, max_size=3)


@examples(200)
@given(_several, cuts)
def test_good_requests_arrive_whole_wherever_they_are_cut(requests: list[bytes], places: list[int]) -> None:
    sent = b"".join(requests)
    seen, answers, closed = served(pieces(sent, places))
    assert len(seen) == len(requests)
    assert answers.count(b"HTTP/1.1 200 OK") == len(requests)
    assert not closed
    alone = [served([request])[0][0] for request in requests]
    assert seen == alone


@examples(600)
@given(mutated_bytes(_several.map(b"".join), most=5), cuts)
@example(b"POST /\xff HTTP/1.1\r\n\r\n", [])
@example(b"POST http://[ HTTP/1.1\r\n\r\n", [])
@example(b"GET / HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nGET / HTTP/1.1\r\n\r\n", [40])
@example(b"CONNECT a:1 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", [9])
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [3])
def test_any_bytes_are_requests_or_one_400_wherever_they_are_cut(sent: bytes, places: list[int]) -> None:
    """Two readers of the same bytes agree: what one packet more or less could hide would be a smuggled request."""
    whole = served([sent])
    seen, answers, closed = whole
    statuses = re.findall(rb"HTTP/1\.1 (\d\d\d) ", answers)
    finals = [status for status in statuses if status != b"100"]
    assert set(finals) <= {b"200", b"400"}
    assert finals.count(b"200") <= len(seen)
    assert b"400" not in finals[:-1]
    if b"400" in finals:
        assert closed
    assert served([sent[place : place + 1] for place in range(len(sent))]) == whole
    assert served(pieces(sent, places)) == whole
