"""The log and its reader: written in batches, whole at the end, and never a reason to wait for whoever reads it."""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.gateway.journal import Journal
from tests.serving.gateway_process import ask, chat, configuration, free_port
from tests.serving.package import PACKAGE
from tests.serving.upstream import FakeEngine

_PIPE_BYTES = 65536


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing


def _lines(reading: int, until: float = 2.0) -> list[dict[str, object]]:
    os.set_blocking(reading, False)
    data = b""
    end = time.monotonic() + until
    while time.monotonic() < end:
        try:
            piece = os.read(reading, 1 << 20)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        if not piece:
            break
        data += piece
    return [json.loads(line) for line in data.splitlines()]


def test_a_stuck_reader_delays_nobody_and_is_told_what_it_missed() -> None:
    reading, writing = _pipe()
    journal = Journal(writing)
    text = "x" * 1000

    async def flood() -> float:
        longest = 0.0
        for number in range(12_000):  # 12 MB, where 8 are kept
            began = time.monotonic()
            journal.note("number", number=number, text=text)
            if number % 200 == 0:
                await asyncio.sleep(0.005)
                longest = max(longest, time.monotonic() - began)
        return longest

    assert asyncio.run(flood()) < 1.0
    assert journal.dropped > 0

    async def read_on() -> list[dict[str, object]]:
        return await asyncio.to_thread(_lines, reading, 5.0)

    async def recover() -> list[dict[str, object]]:
        read = asyncio.create_task(read_on())
        for _ in range(100):
            journal.note("tick")
            await asyncio.sleep(0.02)
        journal.flush()
        os.close(writing)
        return await read

    seen = asyncio.run(recover())
    os.close(reading)
    numbers = [line["number"] for line in seen if line["event"] == "number"]
    assert numbers == sorted(numbers, key=int)  # type: ignore[arg-type]
    told = sum(int(str(line["lines"])) for line in seen if line["event"] == "log_lines_dropped")
    assert told == journal.dropped
    ticks = sum(line["event"] == "tick" for line in seen)
    assert len(numbers) + ticks + told == 12_000 + 100


def test_a_closed_reader_ends_nothing() -> None:
    reading, writing = _pipe()
    os.close(reading)
    journal = Journal(writing)
    journal.note("to nobody")
    journal.flush()
    journal.note("again")
    os.close(writing)


def test_at_the_end_a_slow_reader_gets_everything_and_a_stuck_one_is_not_waited_for() -> None:
    for reads in (True, False):
        reading, writing = _pipe()
        journal = Journal(writing)

        async def fill(journal: Journal = journal) -> None:
            for number in range(500):
                journal.note("number", number=number, text="x" * 1000)

        asyncio.run(fill())
        began = time.monotonic()
        if reads:
            read = f"import time; time.sleep(0.5)\nwhile os.read({reading}, 4096): time.sleep(0.001)"
            child = subprocess.Popen(
                [sys.executable, "-c", f"import os\nos.close({writing})\n{read}"], pass_fds=[reading, writing]
            )
            os.close(reading)
            journal.flush()
            os.close(writing)
            assert child.wait(20) == 0
            assert not journal.dropped
        else:
            journal.flush(0.3)
            assert time.monotonic() - began < 2.0
            os.close(reading)
            os.close(writing)


@pytest.mark.parametrize("stuck", [False, True])
def test_a_gateway_serves_and_ends_whoever_reads_its_log(tmp_path: Path, stuck: bool) -> None:
    """Its stdout is a pipe: read at the end, or never."""
    with FakeEngine() as engine:
        config = tmp_path / "gateway.json"
        config.write_text(json.dumps(configuration(engine.url, tmp_path)))
        reading, writing = _pipe()
        port, operations, notify = free_port(), free_port(), os.pipe()
        command = [sys.executable, "-m", "serving.gateway", "--config", str(config), "--notify-fd", str(notify[1])]
        command += ["--listen", f"127.0.0.1:{port}", "--operations", f"127.0.0.1:{operations}", "--accept-seconds", "0"]
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
        process = subprocess.Popen(command, stdout=writing, pass_fds=[notify[1]], env=environment)
        os.close(writing)
        try:
            assert os.read(notify[0], 100).startswith(b"ready")
            kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            count = 400 if stuck else 50  # 400 lines are more than the pipe holds
            for _ in range(count):
                assert ask(kept, "POST", "/v1/chat/completions", chat("ok")).status == 200
            scraped = http.client.HTTPConnection("127.0.0.1", operations, timeout=10)
            assert b"slipway_gateway_log_lines_dropped 0.0" in ask(scraped, "GET", "/metrics", None).body
            process.send_signal(signal.SIGTERM)
            kept.close()
            scraped.close()
            seen = [] if stuck else _lines(reading, 3.0)
            assert process.wait(20) == 0
            if not stuck:
                assert sum(line["event"] == "request" for line in seen) == count
                assert seen[-1]["event"] == "drained"
        finally:
            process.kill()
            process.wait()
            for descriptor in (reading, *notify):
                os.close(descriptor)
