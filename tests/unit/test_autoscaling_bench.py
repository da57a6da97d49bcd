"""The simulation of what scales replicas: against queueing theory, against itself, and small days of all policies."""

from __future__ import annotations

import math
import random
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest

from bench.autoscaling import hpa
from bench.autoscaling.__main__ import print_trace
from bench.autoscaling.days import HOUR, Load, Request, day, trace
from bench.autoscaling.engine import Engine, engine_of, servers
from bench.autoscaling.plot import plot
from bench.autoscaling.policies import Concurrency, GpuUtilisation, Ours, Static, Waiting
from bench.autoscaling.runs import case, compared
from bench.autoscaling.scenario import scenario
from bench.autoscaling.simulator import Outcome, Policy, Setting, simulate
from bench.autoscaling.summary import interval, judged
from infra.plan.scaling import behaviour

CALM = Load(factors=(0.5, 1.0), bursts_per_day=0.0)
PLAN = scenario("conv", (2, 16))
ENGINE = engine_of(PLAN.fit)


def setting(engine: Engine, seconds: float, **changed: Any) -> Setting:
    usual = {"start_seconds": (60.0, 60.0), "initial": 2, "least": 1, "most": 8, "seed": 1}
    return Setting(engine=engine, seconds=seconds, **{**usual, **changed})


def erlang_c(servers: int, offered: float) -> float:
    """The share that waits in M/M/c."""
    terms = [offered**count / math.factorial(count) for count in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - offered / servers)
    return last / (sum(terms) + last)


def poisson(rate: float, count: int, lengths: Any) -> list[Request]:
    chance, at, found = random.Random(7), 0.0, []
    for _ in range(count):
        at += chance.expovariate(rate)
        found.append(Request(at, 0, lengths(chance)))
    return found


@pytest.mark.parametrize(("replicas", "places", "load"), [(1, 1, 0.6), (2, 2, 0.8), (3, 4, 0.85)])
def test_waits_are_those_of_m_m_c(replicas: int, places: int, load: float) -> None:
    """Places that share nothing are servers: Erlang's C, and the mean wait."""
    count, mean = replicas * places, 1000
    # In so many tokens that whole ones are as good as an exponential; a second for a request.
    requests = poisson(load * count, 120_000, lambda chance: max(1, round(chance.expovariate(1 / mean))))
    engine = servers(places, token_seconds=1 / mean)
    found = simulate(requests, setting(engine, requests[-1].at, initial=replicas, most=replicas), Static(replicas))
    waits = [first - 1 / mean for first in found.first_token]
    waiting = erlang_c(count, load * count)
    assert sum(wait > 1e-6 for wait in waits) / len(waits) == pytest.approx(waiting, rel=0.06)
    assert sum(waits) / len(waits) == pytest.approx(waiting / (count * (1 - load)), rel=0.12)


def test_waits_are_those_of_m_d_1() -> None:
    """Requests that all take as long: half of the wait that chance in their lengths adds."""
    requests = poisson(0.7, 120_000, lambda _: 1)
    found = simulate(requests, setting(servers(1), requests[-1].at, initial=1, most=1), Static(1))
    waits = [first - 1.0 for first in found.first_token]
    assert found.ended == sorted(found.ended), "who comes first is served first"
    assert sum(waits) / len(waits) == pytest.approx(0.7 / (2 * (1 - 0.7)), rel=0.06)


def test_a_full_replica_is_as_fast_as_it_was_sized() -> None:
    """The plan's requests a second, with the plan's requests, for as long as there is always a next one."""
    wanted = PLAN.fit.sized.workload
    requests = [Request(0.0, wanted.input_tokens, wanted.output_tokens) for _ in range(3000)]
    alone = setting(ENGINE, 10 * HOUR, initial=1, most=1)
    found = simulate(requests, alone, Static(1))
    assert len(requests) / max(found.ended) == pytest.approx(PLAN.fit.capacity, rel=0.05)


def test_alone_a_request_takes_what_its_parts_take() -> None:
    found = simulate([Request(0.0, 1000, 101)], setting(ENGINE, 60.0), Static(2))
    step = ENGINE.step(1, 1000 + 101 / 2)
    assert found.first_token == [pytest.approx(ENGINE.prefills[1000] + ENGINE.before_first_token + step, rel=0.02)]
    assert found.per_token == [pytest.approx(step, rel=0.02)]


@cache
def small() -> list[Request]:
    return day("conv", CALM, 3, PLAN.context_tokens)


def on_a_small_day(policy: Policy, **changed: Any) -> Outcome:
    limits = {"initial": 4, "least": 2, "pull_seconds": (100.0, 700.0), "waits_seconds": 30.0, "waiting": 1000}
    return simulate(small(), setting(ENGINE, CALM.seconds, **{**limits, **changed}), policy)


POLICIES = {
    "ours": lambda: Ours(PLAN.scaling, PLAN.demand),
    "waiting": Waiting,
    "gpu": GpuUtilisation,
    "concurrency": lambda: Concurrency(11.2),
    "static": lambda: Static(4),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_request_ends_exactly_once(policy: str) -> None:
    # Too few for all: some wait for too long, or find no place to wait.
    found = on_a_small_day(POLICIES[policy](), most=2, initial=2)
    assert found.refused > 100
    ended = [index for index, at in enumerate(found.ended) if not math.isnan(at)]
    assert len(ended) + found.refused == len(small())
    for index in ended:
        assert 0 < found.first_token[index] <= found.ended[index] - small()[index].at + 0.2
    assert sum(map(math.isnan, found.first_token)) == found.refused


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_seed_is_the_same_day(policy: str) -> None:
    times = {"start_seconds": (20.0, 200.0)}
    first, again, other = (on_a_small_day(POLICIES[policy](), seed=seed, **times) for seed in (1, 1, 2))
    assert repr(first) == repr(again)
    assert (first.ended != other.ended) == bool(first.starts)


def test_a_policy_that_does_nothing_is_a_static_fleet() -> None:
    class Nothing:
        every_seconds = 15.0

        def wanted(self, now: float, fleet: Any) -> int:
            return fleet.count

    first, static = on_a_small_day(Nothing()), on_a_small_day(Static(4))
    assert first.ended == static.ended
    assert static.replica_seconds == 4 * CALM.seconds
    assert static.starts == 0


def test_a_machine_pulls_an_image_once() -> None:
    class UpAndDown:
        every_seconds = 1000.0

        def wanted(self, now: float, fleet: Any) -> int:
            return 4 if (now // 1000) % 2 else 2

    def ready(**changed: Any) -> list[float]:
        found: list[float] = []

        class Watched(UpAndDown):
            def wanted(self, now: float, fleet: Any) -> int:
                found.extend(one.ready - one.asked for one in fleet.replicas[2 + len(found) :])
                return super().wanted(now, fleet)

        simulate([], setting(ENGINE, 6000.0, least=1, pull_seconds=(500.0, 500.0), **changed), Watched())
        return found

    assert ready() == [560.0, 560.0, 60.0, 60.0, 60.0, 60.0][: len(ready())]
    assert set(ready(machines_stay=False)) == {560.0}


def test_fewer_replicas_drop_nothing() -> None:
    class Fewer:
        every_seconds = 600.0

        def wanted(self, now: float, fleet: Any) -> int:
            return 2 if now > 3000 else 8

    # Two are fewer than it takes: what comes waits, and what runs is not cut.
    found = on_a_small_day(Fewer(), initial=8, waits_seconds=math.inf, waiting=1_000_000)
    assert not found.refused
    assert not any(map(math.isnan, found.ended))


def test_traces_are_whole() -> None:
    assert {name: len(trace(name)) for name in ("code", "conv")} == {"code": 8819, "conv": 19366}
    assert trace("code")[-1].at == pytest.approx(3435.948, abs=0.01)
    assert trace("conv")[1] == Request(4.315, 396, 109)
    twice = day("code", Load(factors=(2.0,), bursts_per_day=0.0), 1, 8192)
    assert len(twice) == 2 * 8819
    assert max(one.input_tokens + one.output_tokens for one in day("conv", CALM, 1, 4096)) == 4096


def test_bursts_add_requests() -> None:
    calm, bursts = (len(day("conv", replace(CALM, bursts_per_day=count), 1, 8192)) for count in (0.0, 100.0))
    assert bursts > 1.1 * calm


@pytest.mark.parametrize(
    ("total", "target", "current", "expected"),
    [(33, 11, 3, 3), (36, 11, 3, 3), (37, 11, 3, 4), (29, 11, 3, 3), (22, 11, 3, 2), (0, 11, 3, 0), (100, 11, 2, 10)],
)
def test_an_external_average_as_kubernetes_has_it(total: int, target: int, current: int, expected: int) -> None:
    assert hpa.external_average(total, target, current) == expected


@pytest.mark.parametrize(
    ("values", "current", "expected"),
    [
        ([1.0, 1.0], 2, 3),
        ([0.8, 0.8], 2, 2),
        # Those that start count as idle, so that not even more are started; and as busy enough when it is to be less.
        ([1.0, 1.0], 4, 4),
        ([0.2, 0.2], 4, 3),
        ([0.4, 0.4], 2, 1),
        ([], 2, 2),
    ],
)
def test_an_average_of_pods_as_kubernetes_has_it(values: list[float], current: int, expected: int) -> None:
    assert hpa.pods_average(values, 0.8, current) == expected


def test_ours_goes_up_by_what_is_allowed_and_down_after_the_window() -> None:
    rules = hpa.Stabiliser(behaviour(PLAN.scaling))
    count, seen = 2, []
    for look in range(20):
        count = rules.decided(15.0 * look, 16, count, 2, 16)
        seen.append(count)
    # Twice as many each minute.
    assert [seen[index] for index in (0, 3, 4, 8, 12)] == [4, 4, 8, 16, 16]
    down = []
    for look in range(20, 60):
        count = rules.decided(15.0 * look, 2, count, 2, 16)
        down.append(count)
    first = next(index for index, value in enumerate(down) if value < 16)
    assert 15 * first >= PLAN.scaling.window_seconds - 15
    assert (down[first], down[first + 3], down[first + 4]) == (15, 15, 14)


def test_an_hpa_without_rules_takes_all_away_at_once() -> None:
    rules = hpa.Stabiliser(hpa.DEFAULT_BEHAVIOUR)
    assert rules.decided(0.0, 20, 2, 2, 20) == 6
    assert [rules.decided(at, 2, 6, 2, 20) for at in (15.0, 285.0, 315.0)] == [6, 6, 2]


def test_means_have_students_intervals() -> None:
    found = interval([1.0, 2.0, 3.0])
    assert (found.mean, found.margin) == (2.0, pytest.approx(2.484, abs=0.01))
    assert math.isnan(interval([1.0]).margin)


def test_refused_requests_are_not_in_time() -> None:
    nan = math.nan
    outcome = Outcome(first_token=[0.5, nan, 1.5], per_token=[0.02, nan, 0.02], ended=[1, nan, 2], refused=1)
    found = judged(outcome, PLAN)
    assert found.in_time == pytest.approx(100 / 3)


def test_on_a_small_day_ours_needs_fewer_and_keeps_the_objective() -> None:
    """Hours with a night: far from any edge, so that no draw decides it."""
    one = case("conv", (1, 2), Load(factors=(0.3, 1.2, 0.3), bursts_per_day=0.0))
    ours, planned, gpu = (
        one.run(make, (1,), static=static)[0]
        for make, static in (
            (partial(Ours, one.plan.scaling, one.plan.demand), None),
            (partial(Static, one.planned), one.planned),
            (GpuUtilisation, None),
        )
    )
    assert ours.in_time > 95
    assert planned.in_time > 99
    assert ours.gpu_hours < 0.8 * planned.gpu_hours
    assert ours.gpu_hours < 0.8 * gpu.gpu_hours


def test_the_table_and_the_plot_have_every_policy(capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(case("code", (1, 2), Load(factors=(0.1,), bursts_per_day=0.0)), lambda _: None)
    print_trace("code", found)
    printed = capsys.readouterr().out
    policies = list(found["policies"])
    assert len(policies) == 5
    foreseen = list(found["foreseen"])
    assert all(name in printed for name in (*policies, *foreseen, *found["tuned_in_hindsight"], *found["what_if"]))
    assert "bound: " in printed
    drawn = ET.fromstring(plot({"date": "2026-11-26", "traces": {"code": found}}))
    titles = [one.text or "" for one in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert [one.rpartition(":")[0] for one in titles] == policies + foreseen
