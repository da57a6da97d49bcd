"""What ours looks at, and whom it is compared with: numbers that are known by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.autoscaling.__main__ import met
from bench.autoscaling.days import Request
from bench.autoscaling.engine import servers
from bench.autoscaling.policies import Ours
from bench.autoscaling.scenario import scenario
from bench.autoscaling.simulator import Fleet, Setting
from bench.autoscaling.summary import Day, against, best, fewer_percent
from infra.plan.scaling import Demand

PLAN = scenario("conv", (2, 16))
SETTING = Setting(engine=servers(16), start_seconds=(60.0, 60.0), initial=2, least=1, most=8, seconds=60.0, seed=1)


def days(*pairs: tuple[float, float]) -> list[Day]:
    return [
        Day(gpu_hours=a, in_time=b, first_token_in_time=b, per_token_in_time=b, refused=0, cold_starts=0)
        for a, b in pairs
    ]


def test_the_best_of_the_others_keeps_the_objective_or_has_as_much_in_time() -> None:
    ours = days((70, 99.0), (80, 99.2))
    others = {
        "cheap": days((10, 90.0), (10, 90.0)),
        "good": days((100, 99.9), (100, 99.9)),
        "big": days((300, 100.0), (300, 100.0)),
    }
    assert best(ours, others) == "good"
    assert fewer_percent(ours, others["good"]).mean == pytest.approx(25.0)
    # 95 % is enough, however much more we have; and as much as ours where we have less.
    kept = days((90, 95.0), (90, 95.0))
    assert best(ours, {**others, "kept": kept}) == "kept"
    assert best(ours, {**others, "near": days((90, 94.9), (90, 94.9))}) == "good"
    assert best(days((70, 89.0), (80, 91.0)), others) == "cheap"
    # Whoever has most in time is a rival with less than that, too; nobody else is.
    near = days((160, 94.2), (170, 94.2))
    assert best(ours, {"cheap": others["cheap"], "near": near}) == "near"


@pytest.mark.parametrize(
    ("share", "hours", "expected"), [(95.0, 70.0, True), (94.9, 70.0, False), (95.0, 70.1, False), (94.9, 10.0, False)]
)
def test_the_goal_is_fewer_gpu_hours_with_the_objective_kept(share: float, hours: float, expected: bool) -> None:
    verdict = against(days((hours, share)), {"HPA": days((100, 94.8)), "late": days((50, 80.0))})
    assert (verdict["than"], verdict["in_time_percent"]) == ("HPA", {"ours": share, "theirs": 94.8})
    assert met({"fewer_gpu_hours": verdict}) is expected


def test_ours_asks_for_what_came_and_for_who_is_there() -> None:
    """Two a second for each replica, five in flight: by hand."""
    plan = replace(PLAN.scaling, target_per_second=2.0, target_requests=5)
    demand = Demand(slice_seconds=1, mean_seconds=30, kept_percent=100.0)

    def wanted(requests: list[Request], in_flight: int, look: float = 15.0) -> int:
        policy, fleet = Ours(plan, demand), Fleet(requests, SETTING)
        fleet.running = in_flight
        return policy.recommended(fleet, look)

    burst = [Request(3.1 + place / 100, 1, 1) for place in range(9)]
    assert wanted(burst, 0) == 5
    # In two seconds instead of one; and what has not ended yet says nothing.
    assert wanted([*burst[:5], *(Request(4.5, 1, 1) for _ in range(4))], 0) == 3
    assert wanted(burst, 0, look=3.5) == 0
    assert wanted(burst, 33) == 7
    # On average of the last 30 seconds and now.
    policy, fleet = Ours(plan, demand), Fleet([], SETTING)
    fleet.running = 60
    assert policy.recommended(fleet, 15.0) == 12
    fleet.running = 0
    assert [policy.recommended(fleet, look) for look in (30.0, 45.0, 60.0)] == [6, 4, 0]
