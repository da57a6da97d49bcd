"""Fault experiment 20: the wall clock moved by 300 s, forth and back. Rate limits stay monotonic: no jump gives a
client more, and none takes anything away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.gateway_process import GatewayProcess, start_gateway
from tests.serving.limited import ask_as, limited, until_refused
from tests.serving.redis_process import start_redis
from tests.serving.upstream import FakeEngine

PROGRAM = Path(__file__).parents[1] / "serving" / "moved_clock.py"
JUMPS = (300, -300, 0, -300, 300, 0) * (10 if os.environ.get("FAULTS_FULL") == "1" else 1)
USED = 10
CLIENTS = {
    "paced": {"requests_per_minute": 60},
    "minute": {"tokens_per_minute": 600},
    "few": {"concurrent_requests": 1},
    "easy": {"tokens_per_minute": 100_000, "tokens_per_day": 100_000, "requests_per_minute": 6000},
}


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


def _spend(gateway: GatewayProcess, client: str) -> int:
    return until_refused(gateway, client, 200)[0]


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_a_moved_clock_changes_no_rate_limit(engine: FakeEngine, tmp_path: Path, kind: str) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    if kind == "memory":
        _run(engine, tmp_path, offset, {"kind": "memory"})
    else:
        with start_redis(tmp_path) as server:
            store = {"kind": "redis", "url_file": str(server.url_file), "when_away": "closed"}
            _run(engine, tmp_path, offset, store)


def _run(engine: FakeEngine, folder: Path, offset: Path, store: dict[str, object]) -> None:
    # A fresh interpreter imports `serving` before it moves the clock.
    document = limited(engine.url, folder, CLIENTS, limits_store=store)
    with start_gateway(folder, document, program=(str(PROGRAM), str(offset))) as gateway:
        began = time.monotonic()
        requests, tokens = _spend(gateway, "paced"), _spend(gateway, "minute")
        assert requests >= 10
        for jump in JUMPS:
            offset.write_text(str(jump))
            requests += _spend(gateway, "paced")
            tokens += _spend(gateway, "minute")
            elapsed = time.monotonic() - began
            assert requests <= 10 + elapsed * 60 / 60 + 1
            assert tokens * USED <= 600 + elapsed * 600 / 60 + USED
            # Nobody is shut out either.
            for _ in range(3):
                assert ask_as(gateway, "easy").status == 200
                assert ask_as(gateway, "few").status == 200
        # A jump back does not stop the refill.
        waited = time.monotonic()
        time.sleep(2.0)
        assert 1 <= _spend(gateway, "paced") <= 1 + time.monotonic() - waited + 1
        assert _spend(gateway, "minute") >= 1
        print(f"20 {store['kind']}: n = {len(JUMPS)} jumps; {requests} requests, {tokens * USED} tokens")
