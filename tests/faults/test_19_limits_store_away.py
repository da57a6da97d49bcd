"""Fault experiment 19: Redis stopped, then paused. The breaker opens within a second, nothing hangs, and no more is
spent than documented."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gateway_process import GatewayProcess, start_gateway, wait_until
from tests.serving.limited import ask_as, limited
from tests.serving.redis_process import RedisProcess, start_redis
from tests.serving.upstream import FakeEngine

REPEATS = 10 if os.environ.get("FAULTS_FULL") == "1" else 1
USED = 10
LIMIT = 2000
BREAKER_SECONDS = 1.0

Fault = tuple[str, Callable[[RedisProcess], None], Callable[[RedisProcess], None]]
FAULTS: list[Fault] = [
    ("stopped", RedisProcess.stop, RedisProcess.start),
    ("paused", RedisProcess.pause, RedisProcess.resume),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    with start_redis(tmp_path) as running:
        yield running


def _pair(stack: ExitStack, engine: FakeEngine, server: RedisProcess, folder: Path, when_away: str) -> Any:
    clients = {
        "day": {"tokens_per_day": LIMIT},
        "minute": {"tokens_per_minute": LIMIT},
        "plenty": {"tokens_per_day": 10**9},
        "free": {},
    }
    shared = {"kind": "redis", "url_file": str(server.url_file), "when_away": when_away, "gateways": 2}
    for number in range(2):
        place = folder / f"gateway{number}"
        place.mkdir()
        document = limited(engine.url, place, clients, limits_store=shared)
        yield stack.enter_context(start_gateway(place, document))


def _available(gateway: GatewayProcess) -> bool:
    return gateway.metric("slipway_gateway_limits_store_available") == 1


@pytest.mark.parametrize(("name", "break_it", "mend_it"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_closed_refuses_at_once_and_recovers_by_itself(
    engine: FakeEngine, server: RedisProcess, tmp_path: Path, name: str, break_it: Any, mend_it: Any
) -> None:
    with ExitStack() as stack:
        gateways = list(_pair(stack, engine, server, tmp_path, "closed"))
        for repeat in range(REPEATS):
            for gateway in gateways:
                assert ask_as(gateway, "plenty").status == 200
            break_it(server)
            broken = time.monotonic()
            for gateway in gateways:
                slowest, opened = 0.0, None
                while opened is None:
                    began = time.monotonic()
                    answer = ask_as(gateway, "plenty")
                    slowest = max(slowest, time.monotonic() - began)
                    if answer.status == 503:
                        opened = time.monotonic() - broken
                        assert answer.error["code"] == "limits_unavailable"
                        assert answer.headers["retry-after"] == "1"
                    assert time.monotonic() - broken < 5, answer.status
                print(f"19 {name}, closed, run {repeat + 1}: open after {opened:.2f} s, slowest {slowest:.2f} s")
                assert opened <= BREAKER_SECONDS
                assert slowest <= BREAKER_SECONDS
                assert not _available(gateway)
                began = time.monotonic()
                assert {ask_as(gateway, "plenty").status for _ in range(20)} == {503}
                assert time.monotonic() - began < 2
                # Whoever has no limits needs no store.
                assert ask_as(gateway, "free").status == 200
            mend_it(server)
            for gateway in gateways:
                wait_until("the breaker closes", lambda gateway=gateway: _available(gateway), 5)
                assert ask_as(gateway, "plenty").status == 200
        print(f"19 {name}, closed: n = {2 * REPEATS} breakers")


@pytest.mark.parametrize(("name", "break_it", "mend_it"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_local_goes_on_within_the_documented_overshoot(
    engine: FakeEngine, server: RedisProcess, tmp_path: Path, name: str, break_it: Any, mend_it: Any
) -> None:
    with ExitStack() as stack:
        gateways = list(_pair(stack, engine, server, tmp_path, "local"))
        spent = 0

        def spend(gateway: GatewayProcess, at_most: int) -> int:
            count = 0
            while count < at_most and ask_as(gateway, "day").status == 200:
                count += 1
            return count * USED

        # One gateway spends more than its share, which the other is told within a second only if it asks.
        spent += spend(gateways[0], 120)
        assert spent == 1200
        break_it(server)
        broken = time.monotonic()
        for gateway in gateways:
            began = time.monotonic()
            answer = ask_as(gateway, "minute")
            took = time.monotonic() - began
            assert answer.status == 200
            assert took <= BREAKER_SECONDS
        wait_until("both breakers open", lambda: not any(_available(gateway) for gateway in gateways), 2)
        print(f"19 {name}, local: both open after {time.monotonic() - broken:.2f} s at most")
        before = spent
        spent += sum(spend(gateway, 400) for gateway in gateways)
        # Documented: at most one more limit per outage (what the gateways had not heard of each other).
        assert spent <= 2 * LIMIT
        # Gateway 0 knows what it spent, so only the other's share can be too much.
        assert spent <= before + (LIMIT - before) // 2 + LIMIT // 2
        print(f"19 {name}, local: {spent} of {LIMIT} tokens spent, overshoot {max(0, spent - LIMIT)} (<= {LIMIT})")
        mend_it(server)
        for gateway in gateways:
            wait_until("the breaker closes", lambda gateway=gateway: _available(gateway), 5)
        time.sleep(1.5)  # both told what they spent meanwhile, a restarted server all of it again
        spent += sum(spend(gateway, 400) for gateway in gateways)
        assert {ask_as(gateway, "day").status for gateway in gateways} == {429}
        assert spent <= 2 * LIMIT
        # And with everything told, nothing more fits than the limit leaves.
        assert spent <= max(LIMIT, before + (LIMIT - before) // 2 + LIMIT // 2)
