"""Stands in for `llama-server` where a test needs an engine that starts at once and answers at a known pace.

Standard library only, so that it starts in a few hundredths of a second. What it does wrong is set by its environment:
TOY_LOAD_SECONDS (not healthy for so long), TOY_CRASH_FILE (if that file exists: says what is in it and exits 3),
TOY_METRICS_SECONDS (how long an answer of /metrics takes), TOY_DEAF (ignores SIGTERM), TOY_TICK_SECONDS (its pace).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

TICK_SECONDS = float(os.environ.get("TOY_TICK_SECONDS", "0.05"))
running = 0
started = time.monotonic()


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await _one(reader, writer):
            pass
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    line = await reader.readline()
    if not line:
        return False
    path, headers = line.split()[1].decode(), {}
    while (header := (await reader.readline()).strip()) != b"":
        name, _, value = header.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    if path == "/health":
        loaded = time.monotonic() - started > float(os.environ.get("TOY_LOAD_SECONDS", 0))
        return _plain(writer, 200 if loaded else 503, "{}")
    if headers.get("authorization") != f"Bearer {KEY}":
        return _plain(writer, 401, '{"error": {"message": "wrong engine key", "code": 401}}')
    if path == "/metrics":
        await asyncio.sleep(float(os.environ.get("TOY_METRICS_SECONDS", 0)))
        return _plain(writer, 200, f"llamacpp:requests_processing {running}\nllamacpp:requests_deferred 0\n")
    return await _generate(json.loads(body), writer)


async def _generate(request: dict, writer: asyncio.StreamWriter) -> bool:
    global running
    running += 1
    try:
        count = request.get("max_tokens") or 1
        if not request.get("stream"):
            await asyncio.sleep(count * TICK_SECONDS)
            message = {"role": "assistant", "content": "tick " * count}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
            return _plain(writer, 200, json.dumps({"choices": [choice], "usage": usage}))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(count):
            _event(writer, json.dumps({"choices": [{"index": 0, "delta": {"content": "tick "}}]}))
            await writer.drain()
            await asyncio.sleep(TICK_SECONDS)
        _event(writer, json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        _event(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True
    finally:
        running -= 1


def _event(writer: asyncio.StreamWriter, text: str) -> None:
    event = f"data: {text}\n\n".encode()
    writer.write(b"%x\r\n%b\r\n" % (len(event), event))


def _plain(writer: asyncio.StreamWriter, status: int, text: str) -> bool:
    writer.write(
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode()
    )
    return True


async def main() -> None:
    server = await asyncio.start_server(answer, option("--host"), int(option("--port")))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    crash = Path(os.environ.get("TOY_CRASH_FILE", "/nowhere"))
    if crash.exists():
        print(crash.read_text(), file=sys.stderr)
        sys.exit(3)
    if os.environ.get("TOY_DEAF"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    KEY = Path(option("--api-key-file")).read_text().strip()
    asyncio.run(main())
