"""Fault experiments 9 and 10: one of two engines answers 503, and a storm of 429 and 503 from all of them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import start_gateway
from tests.serving.routed import ask, configuration, model, settle
from tests.serving.upstream import FakeEngine


@pytest.mark.parametrize("behaviour", ["e503", "dead", "e429"])
@pytest.mark.parametrize("workers", [1, 8])
def test_09_one_of_two_failing_costs_at_most_one_in_a_thousand(
    engine: FakeEngine, tmp_path: Path, times: Times, behaviour: str, workers: int
) -> None:
    count = times(1000)
    engine.acts_as = behaviour
    with FakeEngine() as good, start_gateway(tmp_path, configuration({"m": model([engine, good])})) as gateway:
        settle(gateway, 2)
        with ThreadPoolExecutor(workers) as pool:
            statuses = Counter(pool.map(lambda _: ask(gateway).status, range(count)))
        assert statuses[200] >= 0.999 * count, statuses
        assert len(engine.calls) + len(good.calls) <= 1.1 * count + 10


@pytest.mark.parametrize(("behaviour", "status", "retry_after"), [("e429", 429, "7"), ("e503", 503, "3")])
@pytest.mark.parametrize("engines", [1, 3])
def test_10_a_storm_is_not_made_worse(
    tmp_path: Path, times: Times, behaviour: str, status: int, retry_after: str, engines: int
) -> None:
    count = times(1000)
    running = [FakeEngine() for _ in range(engines)]
    for each in running:
        each.acts_as = behaviour
        each.__enter__()
    try:
        with start_gateway(tmp_path, configuration({"m": model(running)})) as gateway:
            settle(gateway, engines)
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: ask(gateway), range(count)))
    finally:
        for each in running:
            each.__exit__()
    calls = sum(len(each.calls) for each in running)
    assert calls <= 1.1 * count, calls
    assert {(answer.status, answer.headers["retry-after"]) for answer in answers} == {(status, retry_after)}
