"""What somebody who knows the day could do: schedules whose cost is known by hand, and the queue that they share."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bench.autoscaling.bound import SLICE_SECONDS, Foreseen, Prospect, bound, foreseen, schedule
from bench.autoscaling.days import Request
from bench.autoscaling.engine import servers
from bench.autoscaling.policies import Static
from bench.autoscaling.simulator import Setting, simulate
from bench.autoscaling.summary import Day


def burst(good: int) -> Prospect:
    """One replica has all in time but in the fifth of six slices, where a second one has `good` more."""
    return Prospect(least=1, in_time=((5, 5, 5, 5, 0, 5), (5, 5, 5, 5, good, 5)))


def test_a_burst_is_worth_a_start_or_it_is_not() -> None:
    # A start of 45 s and 15 s of service: 60 s of a replica for 6 requests, 10 s each.
    assert schedule(burst(6), 45.0, 10.1) == [1, 1, 1, 1, 2, 1]
    assert schedule(burst(6), 45.0, 9.9) == [1, 1, 1, 1, 1, 1]


def test_a_replica_is_kept_for_the_next_burst_where_a_start_takes_longer() -> None:
    two = Prospect(least=1, in_time=((0, 5, 5, 0, 5, 5), (9, 5, 5, 9, 5, 5)))
    # Between the bursts are 30 s, and the first one finds a replica that is there from the beginning.
    assert schedule(two, 31.0, 100.0) == [2, 2, 2, 2, 1, 1]
    assert schedule(two, 29.0, 100.0) == [2, 1, 1, 2, 1, 1]


def test_more_than_one_starts_at_once() -> None:
    calm = (5,) * 7
    three = Prospect(least=1, in_time=((*calm, 0), (*calm, 0), (*calm, 30)))
    # Twice 45 s and 15 s: 120 s for 30 requests.
    assert schedule(three, 45.0, 4.1) == [1] * 7 + [3]
    assert schedule(three, 45.0, 3.9) == [1] * 8


def test_requests_are_counted_when_they_come() -> None:
    found = Prospect.of([0.0, 14.9, 15.0, 44.0], [[True, False, True, True], [True] * 4], 2, 45.0)
    assert found == Prospect(least=2, in_time=((1, 1, 1, 0), (2, 1, 1, 0)))


def test_it_starts_a_start_ahead() -> None:
    policy = Foreseen([1] * 8 + [3] + [1] * 3, 40.0)
    fleet: Any = None
    # Three slices before the ninth, and none after it.
    assert [policy.wanted(SLICE_SECONDS * place, fleet) for place in range(12)] == [1] * 5 + [3] * 4 + [1] * 3
    assert policy.wanted(SLICE_SECONDS * 99, fleet) == 1


def day(hours: float, in_time: float) -> Day:
    return Day(gpu_hours=hours, in_time=in_time, first_token_in_time=0, per_token_in_time=0, refused=0, cold_starts=0)


def test_the_cheapest_with_as_much_in_time_is_taken() -> None:
    """More worth, more replicas and more in time; nobody reaches more than all."""

    def tried(worth: float) -> list[Day]:
        return [day(100 + worth, min(99.0, 80 + worth))]

    (found,) = foreseen(tried, 95.0)
    assert 95.0 <= found.in_time < 96.5
    assert foreseen(tried, 99.5) == [day(1124.0, 99.0)]


def test_the_bound_says_what_is_possible_and_who_is_how_far() -> None:
    found = bound([day(50, 95)], {"slipway": [day(75, 95)], "HPA": [day(200, 96)]}, [day(200, 96)])
    assert found["fewer_gpu_hours_percent"]["mean"] == 75.0
    assert found["times_as_many"] == {"slipway": 1.5, "HPA": 4.0}


@pytest.mark.parametrize(
    ("lets_pass_seconds", "expected"), [(math.inf, [1.0, 2.0, 3.0, 2.5]), (1.5, [1.0, 2.0, 4.0, 1.5])]
)
def test_who_is_late_lets_others_pass(lets_pass_seconds: float, expected: list[float]) -> None:
    """One place of a second: the third waits for two, and the fourth comes half a second before it is free."""
    requests = [Request(0.0, 0, 1), Request(0.0, 0, 1), Request(0.0, 0, 1), Request(1.5, 0, 1)]
    setting = Setting(
        engine=servers(1),
        start_seconds=(60.0, 60.0),
        initial=1,
        least=1,
        most=1,
        seconds=60.0,
        seed=1,
        lets_pass_seconds=lets_pass_seconds,
    )
    found = simulate(requests, setting, Static(1))
    assert [round(first, 6) for first in found.first_token] == expected
    assert found.refused == 0
