"""Clients that stream at a steady rate and each count what becomes of their answer.

`python -m tests.cluster.stream_load URL KEY RATE MODEL FIRST_WORDS` until its input ends; then it waits
for what still runs and prints one JSON line for each stream. Raw sockets: an HTTP library would hide how one ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

# Words of an answer, a quarter of a second each: most answers are short, some longer.
SHORT, LONG, LONG_SHARE = (4, 12), 24, 0.1
# So many answers begin at once with the load.
FIRST_COUNT = 20
CONNECT_SECONDS, SILENCE_SECONDS = 10.0, 100.0


@dataclass
class Stream:
    """One request and what its client saw. `outcome`: `complete`, `error` (told in the stream), `cut`, `refused`."""

    words: int
    started: float = 0.0
    first: float = 0.0
    ended: float = 0.0
    heard: int = 0
    outcome: str = "cut"
    detail: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Clients:
    """`model` is asked for; every stream is kept."""

    def __init__(self, url: str, key: str, model: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._key, self._model = parts.hostname or "", parts.port or 80, key, model
        self.streams: list[Stream] = []

    async def run(self, rate: float, first_words: int, ended: asyncio.Event) -> None:
        """Begins streams until `ended`, then waits for the last. The first few are of `first_words`."""
        running = {asyncio.create_task(self.one(first_words)) for _ in range(FIRST_COUNT)}
        generator, begin, count = random.Random(1), time.monotonic(), 0
        while not ended.is_set():
            words = LONG if generator.random() < LONG_SHARE else generator.randint(*SHORT)
            running.add(asyncio.create_task(self.one(words)))
            count += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), max(0.0, begin + count / rate - time.monotonic()))
        await asyncio.gather(*running)

    async def one(self, words: int) -> Stream:
        stream = Stream(words, started=time.time())
        self.streams.append(stream)
        writer = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(self._host, self._port)
            await self._ask(stream, writer)
            await self._hear(stream, reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as problem:
            stream.detail = f"{type(problem).__name__} after {stream.heard} of {words} words"
        finally:
            stream.ended = time.time()
            if writer is not None:
                writer.close()
        return stream

    async def _ask(self, stream: Stream, writer: asyncio.StreamWriter) -> None:
        message = {"role": "user", "content": f"say {stream.words} words"}
        body = json.dumps(
            {"model": self._model, "stream": True, "max_tokens": stream.words, "messages": [message]}
        ).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()

    async def _hear(self, stream: Stream, reader: asyncio.StreamReader) -> None:
        async with asyncio.timeout(SILENCE_SECONDS):
            status = int((await reader.readuntil(b"\r\n")).split()[1])
            head = await reader.readuntil(b"\r\n\r\n") if status else b""
        for line in head.decode("latin-1").splitlines():
            name, _, value = line.partition(":")
            stream.headers[name.lower()] = value.strip()
        if status != 200:
            async with asyncio.timeout(SILENCE_SECONDS):
                body = await reader.read(400)
            stream.outcome, stream.detail = "refused", f"{status} {body.decode(errors='replace')}"
            return
        heard = _Answer(stream)
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                size = int(await reader.readuntil(b"\r\n"), 16)
                chunk = (await reader.readexactly(size + 2))[:-2]
            if not size:
                break
            heard.feed(chunk)
        heard.end()


class _Answer:
    """Reads the events of one stream and says what became of it."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._partial = stream, b""
        self._done = self._finished = False
        self._error = ""

    def feed(self, chunk: bytes) -> None:
        *events, self._partial = (self._partial + chunk).split(b"\n\n")
        for event in events:
            text = b"".join(line[6:] for line in event.split(b"\n") if line.startswith(b"data: "))
            if text == b"[DONE]":
                self._done = True
            elif text:
                self._take(json.loads(text))

    def _take(self, data: dict[str, Any]) -> None:
        if "error" in data:
            self._error = str(data["error"].get("code") or data["error"].get("message"))
        for choice in data.get("choices") or []:
            if words := choice["delta"].get("content"):
                self._stream.first = self._stream.first or time.time()
                self._stream.heard += words.count("tick ")
            self._finished = self._finished or choice.get("finish_reason") is not None

    def end(self) -> None:
        """The connection has ended as it should."""
        stream = self._stream
        if self._error:
            stream.outcome, stream.detail = "error", self._error
        elif self._done and self._finished and stream.heard == stream.words:
            stream.outcome = "complete"
        else:
            stream.detail = f"a clean end after {stream.heard} of {stream.words} words, done: {self._done}"


async def main(url: str, key: str, rate: float, model: str, first_words: int) -> None:
    clients, ended = Clients(url, key, model), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: None if sys.stdin.buffer.read1(1) else ended.set())
    try:
        await clients.run(rate, first_words, ended)
    finally:
        loop.remove_reader(sys.stdin.fileno())
    for stream in clients.streams:
        sys.stdout.write(json.dumps(asdict(stream)) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4], int(sys.argv[5])))
