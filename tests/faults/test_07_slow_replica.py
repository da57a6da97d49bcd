"""Fault experiment 7: one replica is ten times slower. The others' requests do not notice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.conftest import Times
from tests.serving.gateway_process import GatewayProcess, start_gateway
from tests.serving.routed import ask, configuration, model, settle
from tests.serving.upstream import FakeEngine

PAUSE = 0.1
WORKERS = 8


def p99_of_the_fast(gateway: GatewayProcess, slow: FakeEngine, count: int, mark: str) -> float:
    """The 99th percentile over the requests that the slow replica did not get."""
    taken: dict[str, float] = {}

    def one(number: int) -> None:
        started = time.monotonic()
        name = f"{mark}-{number}"
        assert ask(gateway, headers={"X-Request-Id": name}).status == 200
        taken[name] = time.monotonic() - started

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, range(count)))
    its = {call.headers["x-request-id"] for call in slow.calls}
    times = sorted(seconds for name, seconds in taken.items() if name not in its)
    return times[int(len(times) * 0.99) - 1]


def test_07_a_slow_replica_slows_only_its_own_requests(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    count = times(1000, 200)
    with FakeEngine() as second, FakeEngine() as third:
        engines = [engine, second, third]
        for each in engines:
            each.pause = PAUSE
        with start_gateway(tmp_path, configuration({"m": model(engines)})) as gateway:
            settle(gateway, 3)
            before = p99_of_the_fast(gateway, engine, count, "before")
            engine.pause = 10 * PAUSE
            engine.calls.clear()
            during = p99_of_the_fast(gateway, engine, count, "during")
            assert during <= 1.2 * before, (before, during)
            # It got its share by what it can do: a tenth of another's speed, not a third of the requests.
            assert len(engine.calls) <= count * 0.2
