"""The queue of those who wait: its order, its fairness and what it costs, whatever comes and goes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from math import inf
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.routing.pool import Pool, Waiter
from serving.gateway.waiting.queue import Entry, FairQueue

CLIENTS = st.sampled_from("abc")
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "pop", "remove", "back"]), CLIENTS, st.integers(0, 2)), max_size=200
)


@given(STEPS)
@settings(deadline=None, max_examples=300)
def test_the_queue_keeps_its_order(steps: list[tuple[str, str, int]]) -> None:
    queue: FairQueue[int] = FairQueue()
    waiting: list[Entry[int]] = []
    for number, (step, client, priority) in enumerate(steps):
        if step == "add":
            waiting.append(queue.add(number, client, priority))
        elif waiting and step == "remove":
            entry = waiting.pop(number % len(waiting))
            queue.remove(entry)
            queue.remove(entry)  # leaving twice is leaving once
        elif waiting:
            entry = queue.pop()
            # Nobody of higher priority waits, and nobody of the same client and priority came earlier.
            assert all(other.order[0] >= entry.order[0] for other in waiting)
            own = [other.item for other in waiting if (other.client, other.order[0]) == (entry.client, entry.order[0])]
            assert entry.item == min(own)
            if step == "back":
                queue.put_back(entry)
            else:
                waiting.remove(entry)
        assert queue.size == len(waiting)
    left = [queue.pop().item for _ in range(queue.size)]
    assert sorted(left) == sorted(entry.item for entry in waiting)
    assert not queue._clients


@given(st.integers(1, 300), st.integers(1, 20), st.integers(2, 5))
@settings(deadline=None, max_examples=50)
def test_one_client_cannot_starve_the_others(hog: int, small: int, clients: int) -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(hog):
        queue.add("hog", "hog")
    for _ in range(hog // 2):
        queue.pop()
    for _ in range(small):
        for client in range(clients - 1):
            queue.add(f"c{client}", f"c{client}")
    # While all have something waiting, each gets its turn in every round of `clients`.
    rounds = min(small, hog - hog // 2)
    served = Counter(queue.pop().item for _ in range(rounds * clients))
    assert all(abs(count - rounds) <= 1 for count in served.values()), served
    assert len(served) == clients


def test_a_long_queue_is_quick_to_enter_and_to_leave() -> None:
    queue: FairQueue[int] = FairQueue()
    entries = [queue.add(number, f"client-{number % 50}") for number in range(20_000)]
    for entry in entries[:-10]:
        queue.remove(entry)
    assert queue.size == 10
    assert len(queue._heap) < 200
    started = time.perf_counter()
    for number in range(10_000):
        queue.remove(queue.add(number, "x"))
    assert time.perf_counter() - started < 2.0


def test_whoever_is_late_lets_those_of_its_priority_pass_and_no_others() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.add("late", "a")
    queue.put_behind(queue.pop())
    for name, priority in (("next", 0), ("lesser", -1), ("later", 0)):
        queue.add(name, "a", priority)
    assert queue.size == 4
    assert [queue.pop().item for _ in range(4)] == ["next", "later", "late", "lesser"]
    assert not queue._clients


def waiting(pool: Pool, name: str, late_at: float) -> Waiter:
    waiter = Waiter(cast("Any", SimpleNamespace(boundaries=None)), asyncio.Future())
    waiter.late_at = late_at
    pool.queue.add(waiter, name)
    return waiter


def test_a_free_replica_goes_to_who_is_still_in_time_and_then_to_who_is_late() -> None:
    asyncio.run(_late_and_in_time())


async def _late_and_in_time() -> None:
    pool, free = Pool("chat"), [1]
    replica = cast("Any", object())
    pool.take = lambda context, tried=(): replica if free and free.pop() else None  # type: ignore[method-assign]
    late = waiting(pool, "a", 0.0)
    in_time = waiting(pool, "a", inf)
    pool.wake()
    assert (late.future.done(), in_time.future.done()) == (False, True)
    free.append(1)
    pool.wake()
    assert late.future.result() is replica
    assert not pool.queue.size
