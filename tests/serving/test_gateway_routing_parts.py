"""Routing: the parts that are pinned down without a process. Hashing, bounded load, budget, breaker, body rewriting."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from math import inf
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.facts import RequestFacts
from serving.gateway.routing.budget import WINDOW_SECONDS, RetryBudget
from serving.gateway.routing.config import EjectConfig, RetryConfig, RoutingConfig, UpstreamConfig
from serving.gateway.routing.pool import Pool, Source
from serving.gateway.routing.prefix import prefix_key, replica_seed, score
from serving.gateway.routing.replica import Outcome, Replica, State
from serving.gateway.routing.rewrite import with_model
from serving.gateway.waiting.config import QueueConfig
from tests.serving.gateway_process import ROOT


async def _nothing(*_: Any) -> Any:
    raise AssertionError("choosing reads and sends nothing")


def asking(text: str = "", boundaries: frozenset[str] | None = None) -> RequestFacts:
    facts = RequestFacts({"headers": []}, _nothing, _nothing, 0.0)
    facts.document = {"messages": [{"role": "user", "content": text}]}
    facts.boundaries = boundaries
    return facts


def pool_of(count: int, balance: Any = "prefix", alternatives: bool = False, **upstream: Any) -> Pool:
    pool = Pool("m")
    sources = [
        Source(UpstreamConfig(url=f"http://engine-{number}:80", key_file=None, **upstream), "local", None)
        for number in range(count)
    ]
    eject = EjectConfig(failures=3, of_last=6, seconds=1)
    routing = RoutingConfig(balance=balance, eject=eject)
    pool.configure(sources, routing, QueueConfig(), None, alternatives=alternatives, hang_seconds=inf)
    return pool


def chosen(pool: Pool, context: RequestFacts) -> Replica:
    replica = pool.take(context)
    assert replica is not None
    return replica


def served_by(pool: Pool, text: str) -> str:
    replica = chosen(pool, asking(text))
    pool.release(replica, Outcome.GOOD)
    return replica.url


def test_the_same_prefix_goes_to_the_same_replica_in_every_process() -> None:
    here = [served_by(pool_of(7), f"prompt {number}") for number in range(50)]
    script = (
        "from tests.serving.test_gateway_routing_parts import *\n"
        "print([served_by(pool_of(7), f'prompt {number}') for number in range(50)])"
    )
    for seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            timeout=60,
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT}/serving_image", "PYTHONHASHSEED": seed},
        )
        assert there.stdout.decode().strip() == str(here)
    assert len(set(here)) == 7


@given(st.integers(2, 16), st.integers(0, 15))
@settings(deadline=None, max_examples=30)
def test_a_leaving_replica_moves_only_its_own_share(count: int, leaving: int) -> None:
    seeds = {number: replica_seed(f"http://engine-{number}:80") for number in range(count)}
    keys = [prefix_key({"prompt": f"{number}"}, 4096) for number in range(600)]

    def winners(numbers: set[int]) -> list[int]:
        return [max(numbers, key=lambda number: score(key, seeds[number])) for key in keys]

    before = winners(set(seeds))
    gone = leaving % count
    after = winners(set(seeds) - {gone})
    assert all(new == old for old, new in zip(before, after, strict=True) if old != gone)
    share = Counter(before)[gone] / len(keys)
    # 600 keys: the share of each is 1/n within what chance allows.
    assert abs(share - 1 / count) < 5 * (1 / count / len(keys)) ** 0.5


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=300),
)
@settings(deadline=None, max_examples=100)
def test_bounded_load_is_never_exceeded(count: int, steps: list[tuple[int, bool]]) -> None:
    pool = pool_of(count)
    running: list[Replica] = []
    for text, ends in steps:
        total = sum(replica.in_flight for replica in pool.replicas)
        replica = chosen(pool, asking(f"{text}"))
        assert replica.in_flight <= 1.25 * total / count + 1
        running.append(replica)
        if ends:
            pool.release(running.pop(0), Outcome.GOOD)
    assert sum(replica.in_flight for replica in pool.replicas) == len(running)


def test_turns_of_a_conversation_share_a_key_and_other_conversations_do_not() -> None:
    system = {"role": "system", "content": "s" * 500}
    first = {"role": "user", "content": [{"type": "text", "text": "hello"}]}
    turn = {"messages": [system, first]}
    later = {"messages": [system, first, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"}]}
    assert prefix_key(turn, 4096) == prefix_key(later, 4096)
    assert prefix_key({"messages": [system, {"role": "user", "content": "bye"}]}, 4096) != prefix_key(turn, 4096)
    # Beyond the characters that count, nothing counts.
    assert prefix_key({"prompt": "a" * 100 + "b"}, 100) == prefix_key({"prompt": "a" * 100 + "c"}, 100)
    assert prefix_key({**turn, "tools": [{"type": "function"}]}, 4096) != prefix_key(turn, 4096)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=20,
    )
)
@settings(deadline=None)
def test_any_content_has_a_key(content: Any) -> None:
    for document in ({"messages": content}, {"messages": [content, {"content": content}]}, {"prompt": content}):
        prefix_key(document, 64)


def test_least_in_flight_takes_turns_and_counts_weight() -> None:
    pool = pool_of(3, "least_in_flight")
    assert Counter(chosen(pool, asking()).url for _ in range(9)).most_common()[0][1] == 3
    weighted = pool_of(2, "least_in_flight")
    weighted.replicas[0].weight, weighted.replicas[0].share = 3.0, 1 / 3
    assert Counter(chosen(weighted, asking()).url for _ in range(40))["http://engine-0:80"] == 30


def test_a_limit_of_a_replica_is_never_passed() -> None:
    for balance in ("prefix", "least_in_flight"):
        pool = pool_of(2, balance, concurrent_requests=3)
        assert [pool.take(asking("a")) is not None for _ in range(8)] == [True] * 6 + [False] * 2


def test_boundaries_are_never_crossed() -> None:
    pool = pool_of(3)
    pool.replicas[1].boundary = "cloud"
    inside = frozenset(("local",))
    for number in range(30):
        assert chosen(pool, asking(str(number), boundaries=inside)).boundary == "local"
    assert pool.take(asking("", boundaries=frozenset(("moon",)))) is None


@given(
    st.integers(0, 5),
    st.floats(0, 50),
    st.lists(st.tuples(st.floats(0, 3), st.booleans()), min_size=1, max_size=400),
)
@settings(deadline=None)
def test_the_retry_budget_is_never_exceeded(at_least: int, percent: float, steps: list[tuple[float, bool]]) -> None:
    budget = RetryBudget(RetryConfig(at_least=at_least, percent=percent))
    now = 1000.0
    calls: list[float] = []
    extra: list[float] = []
    for pause, retry in steps:
        now += pause
        if not retry:
            budget.called(now)
            calls.append(now)
        elif budget.take(now):
            extra.append(now)
            oldest = int(now) - WINDOW_SECONDS + 1
            recent = [sum(at >= oldest for at in times) for times in (calls, extra)]
            assert recent[1] <= max(at_least, percent / 100 * recent[0] + 1e-6)


def test_a_budget_of_ten_percent_allows_ten_percent() -> None:
    budget = RetryBudget(RetryConfig(at_least=0))
    for _ in range(1000):
        budget.called(50.0)
    assert sum(budget.take(50.5) for _ in range(1000)) == 100
    assert not budget.take(59.9)
    assert not budget.take(60.0)  # the window is empty again: neither calls nor extra calls


def test_failures_eject_and_a_good_trial_brings_back() -> None:
    pool = pool_of(2, "least_in_flight")
    bad, good = pool.replicas
    for outcome in (Outcome.FAILED, Outcome.GOOD, Outcome.FAILED):
        bad.in_flight += 1
        pool.release(bad, outcome)
    assert bad.state == State.CLOSED
    bad.in_flight += 1
    pool.release(bad, Outcome.FAILED)  # three of the last six
    assert bad.state == State.OPEN
    assert all(chosen(pool, asking()) is good for _ in range(5))
    bad.reachable = bad.asked = True
    pool.breaker.tick(bad.open_until - 0.1)
    assert bad.state == State.OPEN
    pool.breaker.tick(bad.open_until)
    assert chosen(pool, asking()) is bad  # one request tries it,
    assert chosen(pool, asking()) is good  # and only one
    pool.release(bad, Outcome.FAILED)
    assert bad.state == State.OPEN
    assert bad.opened_times == 2
    pool.breaker.tick(bad.open_until)
    assert chosen(pool, asking()) is bad
    pool.release(bad, Outcome.NEUTRAL)  # the client left: the trial is still to be had
    assert chosen(pool, asking()) is bad
    pool.release(bad, Outcome.GOOD)
    assert bad.state == State.CLOSED
    assert (pool.counters.ejections, pool.counters.recoveries) == (2, 1)


def test_an_extra_call_goes_to_another_trusted_replica_or_nowhere() -> None:
    pool = pool_of(2, "least_in_flight")
    first, second = pool.replicas
    assert pool.take(asking(), [first]) is second
    second.state = State.OPEN
    pool.refresh()
    assert pool.take(asking(), [first]) is None


def test_a_busy_replica_rests_but_is_not_ejected() -> None:
    pool = pool_of(2, "least_in_flight")
    busy, other = pool.replicas
    busy.in_flight += 1
    pool.release(busy, Outcome.BUSY, b"1")
    assert all(chosen(pool, asking()) is other for _ in range(3))
    pool.breaker.tick(busy.open_until)
    assert chosen(pool, asking()) is busy
    assert pool.counters.ejections == 0


def test_state_survives_a_reload_and_what_is_gone_is_not_chosen() -> None:
    pool = pool_of(3, "least_in_flight")
    kept = pool.replicas[0]
    kept.in_flight = 5
    pool.configure(pool.sources[:2], pool.routing, pool.queueing, None, alternatives=False, hang_seconds=inf)
    assert pool.replicas[0] is kept
    assert len(pool.replicas) == 2
    assert all(chosen(pool, asking()) is pool.replicas[1] for _ in range(5))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "a", "n": 123456789012345678901234567890, "x": 1.0e5, "t": "\\u00e9\\n"}',
        b'{"messages":[{"model":"a"}],"model":"a"}',
        b'{ "t" : [1 , 2 ] , "model" : "a" }',
    ],
)
def test_only_the_model_is_rewritten(body: bytes) -> None:
    new = with_model(body, 'b"c')
    assert json.loads(new) == {**json.loads(body), "model": 'b"c'}
    for value in (b"123456789012345678901234567890", b"1.0e5", b'"\\u00e9\\n"', b'[{"model":"a"}]', b"[1 , 2 ]"):
        assert (value in new) == (value in body)


@given(st.dictionaries(st.text(), st.recursive(st.integers() | st.text() | st.none(), st.lists)), st.text())
@settings(deadline=None)
def test_rewriting_keeps_every_other_field(fields: dict[str, Any], name: str) -> None:
    body = json.dumps({**fields, "model": "a"}).encode()
    assert json.loads(with_model(body, name)) == {**fields, "model": name}
    orjson.loads(with_model(body, name))
