"""What an autoscaler is told of the last hour: levels that are known by hand, and what gateways count together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.autoscaling import policies
from serving.gateway.limits.fleet import Counts, Fleet
from serving.gateway.routing.pool import Pool
from serving.gateway.waiting.demand import HOUR_SECONDS, Demand, taken
from serving.gateway.waiting.scaling import look_at, scaling_body, work_of
from tests.serving.gateway_process import start_gateway, wait_until
from tests.serving.routed import ask, configuration, model, scaling, settle
from tests.serving.upstream import FakeEngine

DEMAND = {"slice_seconds": 1, "mean_seconds": 60, "kept_percent": 95.0}


@pytest.mark.parametrize(
    ("slices", "kept_percent", "expected"),
    [
        ([], 95.0, 0.0),
        ([0, 0, 0], 95.0, 0.0),
        # All the same: five of a hundred may be late in each.
        ([20, 20, 20], 95.0, 19.0),
        ([20, 20, 20], 100.0, 20.0),
        # Of 100, five may be late: they come at once, and only there.
        ([10, 0, 30, 20, 40], 95.0, 35.0),
        # Of 200 ten: four more than the next two, and then two of each.
        ([5, 41, 50, 50, 54], 95.0, 48.0),
        ([1, 0, 0, 0, 0], 95.0, 0.95),
    ],
)
def test_what_each_slice_must_take(slices: list[int], kept_percent: float, expected: float) -> None:
    assert taken(slices, kept_percent) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.integers(0, 50), max_size=30), st.floats(1, 100))
@settings(deadline=None)
def test_no_more_than_allowed_is_beyond_it(slices: list[int], kept_percent: float) -> None:
    level = taken(slices, kept_percent)
    beyond = sum(max(0.0, count - level) for count in slices)
    assert beyond == pytest.approx(sum(slices) * (1 - kept_percent / 100), abs=1e-6)
    # What is simulated is what is deployed.
    assert policies.taken(slices, kept_percent) == pytest.approx(level, abs=1e-9)


def seen(seconds: list[int], slice_seconds: int = 1, kept_percent: float = 100.0) -> Demand:
    demand = Demand()
    demand.configure(slice_seconds, 3, kept_percent)
    came = 0
    for count in seconds:
        came += count
        demand.count(came)
        demand.look(0, count)
    return demand


def test_a_second_or_more_at_a_time() -> None:
    assert seen([4, 0, 2, 6]).arriving_per_second() == 6.0
    # 4 and 8 in two seconds each; of five the last one has not ended.
    assert seen([4, 0, 2, 6], slice_seconds=2).arriving_per_second() == 4.0
    assert seen([4, 0, 2, 6, 100], slice_seconds=2).arriving_per_second() == 4.0
    assert seen([4], slice_seconds=2).arriving_per_second() == 0.0


def test_an_hour_is_kept_and_no_more() -> None:
    assert seen([9] + [1] * (HOUR_SECONDS - 1)).arriving_per_second() == 9.0
    assert seen([9] + [1] * HOUR_SECONDS).arriving_per_second() == 1.0


def test_who_is_there_now_counts_at_once() -> None:
    demand = seen([100, 0, 0, 0])
    assert demand.mean_in_flight(0) == 0.0
    assert demand.mean_in_flight(4) == 1.0
    # A reload with another length keeps what it can.
    demand.look(0, 8)
    demand.configure(1, 2, 95.0)
    assert demand.mean_in_flight(1) == 3.0


def test_gateways_count_together() -> None:
    """Each publishes what came to it in its last second, and looks at what all had."""
    pools = [Pool("m"), Pool("m")]
    fleets = [Fleet(), Fleet()]
    for pool, fleet in zip(pools, fleets, strict=True):
        pool.demand = Demand()
        pool.demand.configure(1, 60, 100.0)
        fleet.provide(lambda pool=pool: {"m": work_of(pool)})
    pools[0].came, pools[1].came = 3, 4
    for pool, fleet in zip(pools, fleets, strict=True):
        look_at({"m": pool}, fleet)
    published = [fleet.publish() for fleet in fleets]
    for pool, fleet in zip(pools, fleets, strict=True):
        fleet.heard(published)
        assert fleet.total("m") == Counts(0, 0, 0, 7)
        look_at({"m": pool}, fleet)
        # Nothing more of its own, and the other's as last heard.
        assert pool.demand
        assert list(pool.demand.arrivals) in ([3, 4], [4, 3])
    # Whoever is of a version that does not count them counts as none.
    fleets[0].heard([published[0], b'{"m":[1,0,0]}'])
    assert fleets[0].total("m") == Counts(1, 0, 0, 0)


def test_without_it_nothing_more_is_told() -> None:
    told = scaling_body({"m": Pool("m")}, "m", Fleet(), None, None)
    assert b"arriving_per_second" not in told
    assert b'"total":0' in told


def test_a_running_gateway_tells_what_came(tmp_path: Path) -> None:
    with (
        FakeEngine() as engine,
        start_gateway(tmp_path, configuration({"m": model([engine], demand=DEMAND)})) as gateway,
    ):
        settle(gateway, 1)
        assert scaling(gateway, "m")["arriving_per_second"] == 0.0
        for _ in range(5):
            assert ask(gateway).status == 200
        wait_until("it looked", lambda: scaling(gateway, "m")["arriving_per_second"] > 0)
        # However the five fall into seconds, no second had more, and one had one at least.
        told = scaling(gateway, "m")
        assert 0.5 < told["arriving_per_second"] <= 5
        assert told["mean_in_flight"] >= 0
