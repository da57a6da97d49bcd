"""The gateway's own HTTP client: framing to the byte, connections kept and given up, limits, cancellation, and fuzz.

The engine here is a socket that sends what a test tells it to, in the pieces that the test chooses.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from serving.gateway.upstream import UpstreamLost, UpstreamUnreachable
from serving.gateway.upstream_aiohttp import AiohttpUpstream
from serving.gateway.upstream_by_scheme import UpstreamByScheme
from serving.gateway.upstream_http import HttpUpstream

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Trailer: y\r\n\r\n"
)
_LIMIT = 60.0

Script = Callable[["Visit"], Awaitable[None]]


@dataclass
class Visit:
    """One connection at the engine."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes] = field(default_factory=list[bytes])
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self) -> bytes:
        """The next request, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        whole = head + await self.reader.readexactly(int(length.partition(b":")[2]))
        self.requests.append(whole)
        return whole

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await asyncio.sleep(0.001 if len(pieces) > 1 else 0)

    async def until_closed(self) -> None:
        """Wait for the client to go."""
        while await self.reader.read(65536):
            continue
        self.ended.set()


class Engine:
    """Runs one script per connection, the last one for all further connections."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = scripts
        self.visits: list[Visit] = []

    async def __aenter__(self) -> Engine:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1/chat/completions?a=b"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer)
        self.visits.append(visit)
        try:
            await self.scripts[min(len(self.visits), len(self.scripts)) - 1](visit)
        except (asyncio.IncompleteReadError, ConnectionError):
            visit.ended.set()
        finally:
            writer.close()


def always(*pieces: bytes) -> Script:
    """Answers every request on a connection with these pieces."""

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.send(*pieces)

    return script


def once(*pieces: bytes, wait: bool = False) -> Script:
    """Answers one request and closes, or waits for the client to."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(*pieces)
        if wait:
            await visit.until_closed()

    return script


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On the event loop the gateway runs on; nothing may take longer than the limit."""
    uvloop.run(asyncio.wait_for(work(), _LIMIT))


async def fetch(client: HttpUpstream, url: str, body: bytes = b"{}") -> tuple[int, bytes]:
    answer = await client.open(url, {"X-Request-Id": "r1"}, body, 1.0)
    try:
        pieces: list[bytes] = []
        while piece := await answer.read():
            pieces.append(piece)
        return answer.status, b"".join(pieces)
    finally:
        answer.close()


def outcome_of(*pieces: bytes) -> tuple[int, bytes] | None:
    """What an answer sent in these pieces comes to, the connection closing behind it; None: lost."""
    seen: list[tuple[int, bytes] | None] = []

    async def work() -> None:
        async with Engine(once(*pieces)) as engine:
            client = HttpUpstream()
            try:
                seen.append(await fetch(client, engine.url))
            except UpstreamLost:
                seen.append(None)
            await client.close()

    run(work)
    return seen[0]


def test_the_request_says_what_is_needed_and_nothing_else() -> None:
    async def work() -> None:
        async with Engine(always(WHOLE)) as engine:
            client = HttpUpstream()
            body = b"x" * 40_000
            assert await fetch(client, engine.url, body) == (200, b"hello")
            port = engine.url.split(":")[2].split("/")[0]
            head, _, sent = engine.visits[0].requests[0].partition(b"\r\n\r\n")
            assert sent == body
            assert head.decode().split("\r\n") == [
                "POST /v1/chat/completions?a=b HTTP/1.1",
                f"Host: 127.0.0.1:{port}",
                "X-Request-Id: r1",
                "Content-Length: 40000",
            ]
            with pytest.raises(ValueError, match="line break"):
                await client.open(engine.url, {"X": "a\r\nY: b"}, b"", 1.0)
            await client.close()

    run(work)


def test_every_split_of_an_answer_gives_the_same_body() -> None:
    expected = {WHOLE: b"hello", CHUNKED: b"hello world"}
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"

    async def work() -> None:
        client = HttpUpstream()
        for whole, body in (*expected.items(), (interim + WHOLE, b"hello")):
            for at in range(1, len(whole)):
                async with Engine(always(whole[:at], whole[at:])) as engine:
                    assert await fetch(client, engine.url) == (200, body), at
            async with Engine(always(*(whole[at : at + 1] for at in range(len(whole))))) as engine:
                assert await fetch(client, engine.url) == (200, body)
        await client.close()

    run(work)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 2x0 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/9.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nuntil it closes",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"e" * 300_000 + b"\r\nx\r\n0\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
    ids=range(20),
)
def test_what_breaks_framing_or_is_too_large_is_lost(answer: bytes) -> None:
    assert outcome_of(answer) is None
    # And again in small pieces, so that no limit depends on how bytes arrive.
    if answer:
        assert outcome_of(*(answer[at : at + 8192] for at in range(0, len(answer), 8192))) is None


def test_tiny_chunks_pass() -> None:
    body = b"".join(b"1\r\nx\r\n" for _ in range(100_000))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert outcome_of(head + body + b"0\r\n\r\n") == (200, b"x" * 100_000)


def test_answers_without_a_body_end_at_their_head() -> None:
    for status in (204, 304):
        assert outcome_of(b"HTTP/1.1 %d X\r\n\r\n" % status) == (status, b"")


def test_a_connection_is_kept_and_used_again() -> None:
    async def work() -> None:
        async with Engine(always(WHOLE)) as engine:
            client = HttpUpstream()
            for _ in range(20):
                assert await fetch(client, engine.url) == (200, b"hello")
            assert len(engine.visits) == 1
            # As many at once as are asked for: no cap that would make one request wait for another.
            answers = await asyncio.gather(*(client.open(engine.url, {}, b"{}", 1.0) for _ in range(150)))
            assert len(engine.visits) == 150
            for answer in answers:
                answer.close()
                answer.close()  # twice is once
            await client.close()

    run(work)


@pytest.mark.parametrize("end", ["Connection: close\r\n", ""])
def test_an_engine_that_says_close_is_believed(end: str) -> None:
    answer = f"HTTP/1.{'1' if end else '0'} 200 OK\r\n{end}Content-Length: 2\r\n\r\nok".encode()

    async def work() -> None:
        async with Engine(once(answer, wait=True)) as engine:
            client = HttpUpstream()
            for _ in range(3):
                assert await fetch(client, engine.url) == (200, b"ok")
            assert len(engine.visits) == 3
            await asyncio.gather(*(visit.ended.wait() for visit in engine.visits))
            await client.close()

    run(work)


def test_an_answer_not_read_to_its_end_closes_the_connection() -> None:
    async def work() -> None:
        async with Engine(once(WHOLE[:-2], wait=True)) as engine:
            client = HttpUpstream()
            answer = await client.open(engine.url, {}, b"{}", 1.0)
            assert await answer.read() == b"hel"
            answer.close()
            await engine.visits[0].ended.wait()
            await client.close()

    run(work)


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"x", b"HTTP/1.1 2"])
@pytest.mark.parametrize("together", [True, False])
def test_bytes_that_nobody_asked_for_close_the_connection(extra: bytes, together: bool) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        if together:
            await visit.send(WHOLE + extra)
        else:
            await visit.send(WHOLE)
            await asyncio.sleep(0.05)
            await visit.send(extra)
        await visit.until_closed()

    async def work() -> None:
        async with Engine(script, always(WHOLE)) as engine:
            client = HttpUpstream()
            assert await fetch(client, engine.url) == (200, b"hello")
            await asyncio.sleep(0.15)
            assert await fetch(client, engine.url) == (200, b"hello")
            assert len(engine.visits) == 2
            await engine.visits[0].ended.wait()
            await client.close()

    run(work)


def test_a_stale_kept_connection_is_replaced_once_and_only_before_any_byte() -> None:
    async def stale(visit: Visit) -> None:
        await visit.request()
        await visit.send(WHOLE)
        await visit.request()  # closes without a byte of an answer

    async def partly(visit: Visit) -> None:
        await visit.request()
        await visit.send(WHOLE)
        await visit.request()
        await visit.send(b"HTTP/1.1 200")

    async def work() -> None:
        client = HttpUpstream()
        async with Engine(stale, always(WHOLE)) as engine:
            assert await fetch(client, engine.url) == (200, b"hello")
            assert await fetch(client, engine.url) == (200, b"hello")
            assert [len(visit.requests) for visit in engine.visits] == [2, 1]
        async with Engine(stale, once()) as engine:
            assert await fetch(client, engine.url) == (200, b"hello")
            with pytest.raises(UpstreamLost):
                await fetch(client, engine.url)
            assert [len(visit.requests) for visit in engine.visits] == [2, 1]  # no third call
        async with Engine(partly, always(WHOLE)) as engine:
            assert await fetch(client, engine.url) == (200, b"hello")
            with pytest.raises(UpstreamLost):
                await fetch(client, engine.url)
            assert len(engine.visits) == 1
        await client.close()

    run(work)


def test_cancelling_closes_at_once_in_every_phase() -> None:
    async def silent(visit: Visit) -> None:
        await visit.request()
        await visit.until_closed()

    async def work() -> None:
        client = HttpUpstream()
        for script in (silent, once(WHOLE[:-2], wait=True)):
            async with Engine(script) as engine:
                task = asyncio.create_task(fetch(client, engine.url))
                await asyncio.sleep(0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await asyncio.wait_for(engine.visits[0].ended.wait(), 1.0)
        await client.close()

    run(work)


def test_no_connection_is_unreachable_within_the_limit() -> None:
    async def work() -> None:
        client = HttpUpstream()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            closed = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(UpstreamUnreachable):
            await client.open(closed, {}, b"", 1.0)
        assert await client.get(closed, {}, 1.0) is None
        # A listener whose queue is full answers nothing at all.
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            address = full.getsockname()
            waiting = [socket.socket() for _ in range(3)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            began = asyncio.get_running_loop().time()
            with pytest.raises(UpstreamUnreachable):
                await client.open(f"http://127.0.0.1:{address[1]}/", {}, b"", 0.3)
            assert asyncio.get_running_loop().time() - began < 2
            for one in waiting:
                one.close()
        with pytest.raises(UpstreamUnreachable):
            await client.open("http://no-such-host.invalid/", {}, b"", 5.0)
        await client.close()

    run(work)


def test_a_probe_is_a_get_on_a_connection_of_its_own() -> None:
    async def work() -> None:
        async with Engine(always(WHOLE)) as engine:
            client = HttpUpstream()
            assert await client.get(engine.url, {"Authorization": "Bearer k"}, 1.0) == b""
            assert engine.visits[0].requests[0].startswith(b"GET /v1/chat/completions?a=b HTTP/1.1\r\n")
            assert b"Authorization: Bearer k\r\n" in engine.visits[0].requests[0]
            assert await client.get(engine.url, {}, 1.0) == b""
            assert len(engine.visits) == 2
            whole = WHOLE.partition(b"\r\n\r\n")[2]
            for asked in (client, public := AiohttpUpstream()):
                assert await asked.get(engine.url, {}, 1.0) == b""
                assert await asked.get(engine.url, {}, 1.0, None, len(whole)) == whole
                assert await asked.get(engine.url, {}, 1.0, None, len(whole) - 1) is None
            await public.close()
        async with Engine(always(WHOLE.replace(b"200", b"503"))) as engine:
            assert await client.get(engine.url, {}, 1.0) is None
        async with Engine(once(wait=True)) as engine:
            assert await client.get(engine.url, {}, 0.2) is None
            await engine.visits[0].ended.wait()
        await client.close()

    run(work)


def test_a_slow_reader_stops_the_engine_not_the_memory() -> None:
    sent = 0

    async def flood(visit: Visit) -> None:
        nonlocal sent
        await visit.request()
        visit.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n")
        for _ in range(1024):
            visit.writer.write(b"x" * 65536)
            await visit.writer.drain()
            sent += 65536
        await visit.until_closed()

    async def work() -> None:
        async with Engine(flood) as engine:
            client = HttpUpstream()
            answer = await client.open(engine.url, {}, b"{}", 1.0)
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < 24 * 1024 * 1024  # the kernel's buffers of both ends and 256 KB
            got = len(await answer.read())
            assert got < 1024 * 1024
            while piece := await answer.read():
                got += len(piece)
            assert got == 67108864
            answer.close()
            await client.close()

    run(work)


def test_idle_connections_are_let_go() -> None:
    async def work() -> None:
        async with Engine(once(WHOLE, wait=True)) as engine:
            client = HttpUpstream()
            await fetch(client, engine.url)
            await asyncio.wait_for(engine.visits[0].ended.wait(), 8.0)
            await client.close()

    run(work)


def test_closing_the_client_closes_idle_connections() -> None:
    async def work() -> None:
        async with Engine(once(WHOLE, wait=True)) as engine:
            client = HttpUpstream()
            await fetch(client, engine.url)
            await client.close()
            await asyncio.wait_for(engine.visits[0].ended.wait(), 1.0)

    run(work)


def test_the_scheme_chooses_the_client() -> None:
    async def work() -> None:
        async with Engine(always(WHOLE)) as engine:
            both = UpstreamByScheme(HttpUpstream(), AiohttpUpstream())
            answer = await both.open(engine.url, {}, b"{}", 1.0)
            assert await answer.read() == b"hello"
            assert b"User-Agent" not in engine.visits[0].requests[0]
            with pytest.raises((UpstreamLost, UpstreamUnreachable)):  # TLS is spoken, and not understood
                await both.open(engine.url.replace("http:", "https:"), {}, b"{}", 1.0)
            answer.close()
            await both.close()

    run(work)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_answers_end_as_an_answer_or_as_lost(seed: int) -> None:
    """Never a hang, never another exception, and the client works afterwards."""
    draw = random.Random(seed)
    tried = 0

    def mutate(answer: bytes) -> bytes:
        data = bytearray(answer)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(data))
            kind = draw.randrange(4)
            if kind == 0:
                data[at] = draw.choice(b"\r\n\0 :;0123456789abcdefHTP/.\xff")
            elif kind == 1:
                del data[at : at + draw.randint(1, 8)]
            elif kind == 2:
                data[at:at] = draw.choice([b"\r\n", b"\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"\x80" * 5, b"1"])
            else:
                data[at:at] = data[at : at + draw.randint(1, 40)]
            if not data:
                data = bytearray(b"\r")
        return bytes(data)

    async def script(visit: Visit) -> None:
        nonlocal tried
        await visit.request()
        answer = mutate(draw.choice((WHOLE, CHUNKED)))
        cut = sorted(draw.sample(range(len(answer) + 1), min(len(answer), draw.randint(0, 3))))
        await visit.send(*(answer[a:b] for a, b in zip([0, *cut], [*cut, len(answer)], strict=True)))
        tried += 1

    async def work() -> None:
        client = HttpUpstream()
        async with Engine(script) as engine:
            for _ in range(150):
                try:
                    status, body = await asyncio.wait_for(fetch(client, engine.url), 2.0)
                except UpstreamLost:
                    continue
                assert 200 <= status < 1000
                assert len(body) < 4096
        async with Engine(always(WHOLE)) as engine:
            assert await fetch(client, engine.url) == (200, b"hello")
        await client.close()

    run(work)
    assert tried >= 100
