"""How many requests a replica shall have, and how long one that is not needed is kept: what follows from the plan."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from infra.plan.cluster_facts import ClusterFacts
from infra.plan.figures import ModelPerformance
from infra.plan.scaling import (
    LONGEST_WINDOW_SECONDS,
    Demand,
    demand_of,
    lets_pass_seconds,
    scaling_plan,
    start_again_seconds,
    target_per_second,
    target_requests,
)
from infra.plan.start_types import ModelColdStart
from infra.plan.types import ModelPlan
from tests.components.engines import planned

CONVERSATION = {"requests_per_second": 2, "input_tokens": 1000, "output_tokens": 250}
CODE = {"requests_per_second": 2, "input_tokens": 2000, "output_tokens": 30}


def model(**case: Any) -> ModelPlan:
    return planned(**case).models["chat"]


def with_speed(plan: ModelPlan, **changed: Any) -> ModelPlan:
    assert isinstance(plan.performance, ModelPerformance)
    return replace(plan, performance=replace(plan.performance, **changed))


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (CONVERSATION, 11),
        ({**CONVERSATION, "time_to_first_token_seconds": 1.0, "time_per_output_token_milliseconds": 40}, 11),
        # Faster for each: fewer at once.
        ({**CONVERSATION, "time_per_output_token_milliseconds": 28}, 8),
        # Prompts are most of the work, and a new one waits for them.
        (CODE, 11),
        ({**CODE, "time_to_first_token_seconds": 2.0}, 11),
        ({**CODE, "time_to_first_token_seconds": 1.0}, 9),
        ({**CODE, "time_to_first_token_seconds": 0.5}, 4),
    ],
)
def test_a_replica_has_what_keeps_the_objective(objective: dict[str, Any], expected: int) -> None:
    assert target_requests(model(objective=objective)) == expected


def test_a_prompt_that_takes_twice_as_long_lets_half_as_many_in() -> None:
    plan = model(objective={**CODE, "time_to_first_token_seconds": 0.5})
    assert plan.performance
    slower = with_speed(plan, requests_per_second=plan.performance.requests_per_second / 2)
    assert target_requests(slower) == target_requests(plan) // 2


def test_nothing_is_nobody() -> None:
    """One at least, however slow; all that run at once count where nobody knows how fast it is."""
    plan = model(objective={**CODE, "time_to_first_token_seconds": 0.5})
    assert target_requests(with_speed(plan, requests_per_second=0.0)) == 1
    assert target_requests(replace(plan, performance=None)) == 11


def test_a_request_lets_others_pass_once_its_prompt_would_be_late() -> None:
    plan = with_speed(model(objective={**CODE, "time_to_first_token_seconds": 2.0}), time_to_first_token_ms_low=300)
    assert lets_pass_seconds(plan) == 1.7
    # A quarter of the time at least: also where a prompt alone is said to take it all.
    assert lets_pass_seconds(with_speed(plan, time_to_first_token_ms_low=1900)) == 0.5
    assert lets_pass_seconds(model(objective=CODE)) is None
    assert lets_pass_seconds(replace(plan, performance=None)) is None


def test_a_queue_is_told_when_others_pass() -> None:
    """Only where requests wait at the gateway, and something says what is in time."""

    def queue(**case: Any) -> Any:
        return planned(**case).sites["here"].details.serving.gateway["models"]["chat"].get("queue")

    objective = {**CODE, "time_to_first_token_seconds": 2.0}
    assert queue(objective=objective) is None
    assert queue(objective=CODE, queue={}) == {"size": 1000, "seconds": 30.0}
    told = queue(objective=objective, queue={})
    assert told == {"size": 1000, "seconds": 30.0, "lets_pass_seconds": lets_pass_seconds(model(objective=objective))}


def test_a_replica_takes_what_it_was_sized_for_within_its_objective() -> None:
    plan = model(objective={**CODE, "time_to_first_token_seconds": 2.0})
    assert plan.performance
    assert plan.performance.running_requests == 16
    assert target_per_second(plan) == round(plan.performance.requests_per_second, 3)
    # Half of the 16 at once have their tokens fast enough; and then four where a new prompt waits for too many.
    half = with_speed(
        plan,
        curve=tuple(
            replace(point, time_per_output_token_ms=10.0 if point.concurrent_requests <= 8 else 1000.0)
            for point in plan.performance.curve
        ),
        requests_per_second=4.0,
        prefill_share=0.1,
    )
    limited = replace(half, operation=replace(half.operation, time_per_output_token_milliseconds=100))
    assert target_per_second(limited) == 2.0
    # Two seconds, two in each of them, and half of a request's time is its prompt: eight at once would be 16.
    assert target_per_second(with_speed(half, requests_per_second=0.5, prefill_share=0.5)) == 0.125
    assert target_per_second(replace(plan, performance=None)) == 0.0


def test_bursts_are_expected_where_something_says_what_is_in_time() -> None:
    """In whole seconds that a request may wait; over as long as a replica takes to start."""
    plan = model(objective={**CODE, "time_to_first_token_seconds": 4.0})
    assert lets_pass_seconds(plan)
    assert plan.cold_start
    seconds = math.ceil(start_again_seconds(plan.cold_start))
    assert demand_of(plan) == Demand(slice_seconds=3, mean_seconds=seconds, kept_percent=95.0)
    quick = demand_of(model(objective={**CODE, "time_to_first_token_seconds": 0.5}))
    assert quick
    assert quick.slice_seconds == 1
    assert demand_of(model(objective=CODE)) is None
    assert demand_of(with_speed(plan, requests_per_second=0.0)) is None
    assert demand_of(replace(plan, cold_start=None)) is None
    # Nothing to decide; and whoever goes to zero waits for nobody.
    assert demand_of(replace(plan, replicas=replace(plan.replicas, min=4, max=4))) is None
    assert demand_of(replace(plan, replicas=replace(plan.replicas, min=0, max=4))) is None


def test_gateways_are_told_what_to_count() -> None:
    objective = {**CODE, "time_to_first_token_seconds": 4.0}
    told = planned(objective=objective).sites["here"].details.serving.gateway["models"]["chat"]["demand"]
    demand = demand_of(model(objective=objective))
    assert demand
    assert told == {"slice_seconds": 3, "mean_seconds": demand.mean_seconds, "kept_percent": 95.0}
    assert "demand" not in planned(objective=CODE).sites["here"].details.serving.gateway["models"]["chat"]


def started(plan: ModelPlan, **seconds: float) -> ModelColdStart:
    assert plan.cold_start
    phases = tuple(replace(phase, seconds=seconds.get(phase.name, phase.seconds)) for phase in plan.cold_start.phases)
    return replace(plan.cold_start, phases=phases)


def test_a_machine_that_stays_has_the_image() -> None:
    plan = model()
    without = started(plan, pull_image=0.0)
    start = started(plan, pull_image=700.0)
    assert start_again_seconds(start) == start_again_seconds(without)
    # A machine that comes has to pull it.
    new, bare = (started(plan, provision_node=60.0, pull_image=pull) for pull in (700.0, 0.0))
    assert start_again_seconds(new) == start_again_seconds(bare) + 700.0


@pytest.mark.parametrize(
    ("load_seconds", "grace_seconds", "expected"),
    [(10.0, 150, 300), (10.0, 500, 500), (1000.0, 150, "start"), (10_000.0, 150, LONGEST_WINDOW_SECONDS)],
)
def test_it_is_kept_for_as_long_as_another_start_takes_and_gateways_end(
    load_seconds: float, grace_seconds: int, expected: int | str
) -> None:
    plan = model()
    plan = replace(plan, cold_start=started(plan, load=load_seconds, fetch_weights=0.0, warm_up=0.5))
    found = scaling_plan("chat", plan, plan.replicas, {}, grace_seconds, ClusterFacts(keda=True))
    assert found
    assert found.window_seconds == (1001 if expected == "start" else expected)
