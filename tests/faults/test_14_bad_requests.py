"""Experiment 14, from the first byte on: requests whose heads are broken or random too. Pass: no 5xx, no request left
hanging, no defect, and neither memory nor open files grow."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.faults.test_12_large_body import memory
from tests.serving.fuzzing import fuzzed_body, fuzzed_request
from tests.serving.gateway_process import (
    ENGINE_KEY,
    KEY,
    PROMPT,
    GatewayProcess,
    chat,
    configuration,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine

TOGETHER = 32
# Nothing may take longer: a head or body that is not whole is given up after 0.3 s.
LONGEST_SECONDS = 8.0
GONE = 0
"""The status of a connection that was closed without a word."""


async def _ask(port: int, pieces: list[bytes]) -> int:
    """Status of the first final answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        while True:
            line = await reader.readline()
            if not line:
                return GONE
            version, _, rest = line.partition(b" ")
            assert version == b"HTTP/1.1", line[:40]
            status = int(rest[:3])
            while (await reader.readline()).strip():
                pass
            if status >= 200:
                return status
    except ConnectionError:
        return GONE
    finally:
        writer.transport.abort()


async def _ask_many(port: int, randomness: random.Random, count: int) -> Counter[int]:
    statuses: Counter[int] = Counter()

    async def one_after_the_other(number: int) -> None:
        for _ in range(number):
            pieces = fuzzed_request(randomness, fuzzed_body(randomness), KEY)
            statuses[await asyncio.wait_for(_ask(port, pieces), LONGEST_SECONDS)] += 1

    shares = [count // TOGETHER + (place < count % TOGETHER) for place in range(TOGETHER)]
    await asyncio.gather(*map(one_after_the_other, shares))
    return statuses


def open_files(gateway: GatewayProcess) -> int:
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))


@pytest.mark.timeout(900)
def test_bad_requests_never_make_a_5xx(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    number = times(10_000)
    randomness = random.Random(1414)
    config = configuration(engine.url, tmp_path, header_seconds=0.3, body_seconds=0.3)
    with start_gateway(tmp_path, config) as gateway:
        statuses = asyncio.run(_ask_many(gateway.port, randomness, number // 2))
        settled, files = memory(gateway, "VmRSS"), open_files(gateway)
        statuses += asyncio.run(_ask_many(gateway.port, randomness, number - number // 2))
        assert sum(statuses.values()) == number
        # 404: paths, and models that this key does not have. 405: methods. 408: bodies that do not arrive whole.
        assert set(statuses) <= {GONE, 200, 400, 401, 404, 405, 408, 413}, statuses
        for status in (200, 400, 401, 404):
            assert statuses[status] > number / 200, statuses
        assert memory(gateway, "VmRSS") - settled < 4 * 1024 * 1024
        wait_until("connections closed", lambda: open_files(gateway) <= files + 8)
        assert gateway.metric("slipway_gateway_requests_in_flight") == 0
        assert gateway.request(body=chat("ok")).status == 200
        log = gateway.log_file.read_text()
    for word in ("defect", "Traceback", PROMPT, KEY, ENGINE_KEY):
        assert word not in log
    # What is behind a request that was broken off is no request of anybody.
    assert {call.path for call in engine.calls} <= {"/v1/chat/completions", "/v1/completions", "/v1/embeddings"}
    for call in engine.calls:
        assert 1 <= call.body["max_tokens"] <= 32 or call.path == "/v1/embeddings"
