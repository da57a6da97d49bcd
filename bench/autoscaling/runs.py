"""Every policy on the same days: those compared, rivals' settings that are tried, and what if figures are off."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bench.autoscaling.bound import Foreseen, Prospect, bound, foreseen, schedule
from bench.autoscaling.days import HOUR, Load, Request, busiest_minute, day, trace
from bench.autoscaling.engine import Engine, engine_of
from bench.autoscaling.policies import (
    KNATIVE_UTILISATION,
    Concurrency,
    GpuUtilisation,
    Ours,
    SmoothGpuUtilisation,
    Static,
    Waiting,
)
from bench.autoscaling.scenario import Scenario, scenario
from bench.autoscaling.simulator import Policy, Setting, simulate
from bench.autoscaling.summary import Day, against, best, in_time, judged, mean_in_time, row

OURS, STATIC, PLANNED = "slipway", "static", "static, planned for the busiest minute"
WAITING, GPU, CONCURRENCY = "KEDA, 5 waiting", "HPA, 80 % of GPUs", "Knative (KServe), 70 % of requests at once"
# Everybody's limits.
LEAST, MOST = 2, 16
# A trace of an hour says nothing of a day: assumed, with the load of the busiest hours as often as the trace's as said.
# Conversations at a third of it at night; code in office hours, a tenth at night.
LOADS = {
    "conv": Load(
        factors=(
            *(0.5, 0.45, 0.45, 0.45, 0.45, 0.5, 0.7, 0.9, 1.2, 1.4, 1.5, 1.5),
            *(1.4, 1.5, 1.5, 1.4, 1.3, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.6),
        )
    ),
    "code": Load(
        factors=(
            *(0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6, 1.4, 1.9, 2.0, 2.0),
            *(1.8, 1.9, 2.0, 2.0, 1.8, 1.4, 1.0, 0.7, 0.5, 0.4, 0.3, 0.2),
        )
    ),
}
# Other settings of rivals, for whichever suits them best on these very days.
TRIED_WAITING, TRIED_GPU, TRIED_CONCURRENCY, TRIED_STATIC = 1.0, 0.95, 0.4, (5, 6, 7, 8, 10, 12)
WHAT_IF_DAYS = 2
FORESEEN = "who knows the day"
Make = Callable[[], Policy]
# And of a fleet that stays as it is, how many.
Made = tuple[Make, int | None]


@dataclass(frozen=True)
class Case:
    """A plan and the days that it is tried on."""

    name: str
    plan: Scenario
    engine: Engine
    load: Load
    days: Mapping[int, list[Request]]

    def run(self, make: Make, seeds: Iterable[int], *, static: int | None = None, **changed: Any) -> list[Day]:
        """A day for each seed. A static fleet is there from the beginning; others begin as planned for that hour."""
        plan = self.plan
        setting = replace(self.setting(static), **changed)
        return [judged(simulate(self.days[seed], replace(setting, seed=seed), make()), plan) for seed in seeds]

    def setting(self, static: int | None = None) -> Setting:
        """What everybody has."""
        plan = self.plan
        first = plan.replicas_for(len(trace(self.name)) / HOUR * self.load.factor(0.0))
        return Setting(
            engine=self.engine,
            start_seconds=plan.start_seconds,
            pull_seconds=plan.pull_seconds,
            initial=static or max(LEAST, first),
            least=static or LEAST,
            most=static or MOST,
            seconds=self.load.seconds,
            seed=0,
            waits_seconds=plan.queue.seconds,
            waiting=plan.queue.size,
        )

    def ours(self, seeds: Iterable[int], **changed: Any) -> list[Day]:
        """As the plan scales, behind its gateway: who is still in time comes first."""
        make = partial(Ours, self.plan.scaling, self.plan.demand)
        queue: dict[str, Any] = {"lets_pass_seconds": self.plan.lets_pass_seconds, **changed}
        return self.run(make, seeds, **queue)

    def static(self, count: int, seeds: Iterable[int]) -> list[Day]:
        """As many replicas all day."""
        return self.run(lambda: Static(count), seeds, static=count)

    @property
    def planned(self) -> int:
        """Replicas for the busiest minute of a day as it is expected: nobody foresees bursts."""
        return self.plan.replicas_for(busiest_minute(trace(self.name)) * max(self.load.factors))


def case(name: str, seeds: Iterable[int], load: Load | None = None, *, slower: float = 1.0) -> Case:
    """One trace's plan, and its days."""
    plan, load = scenario(name, (LEAST, MOST)), load or LOADS[name]
    days = {seed: day(name, load, seed, plan.context_tokens) for seed in seeds}
    return Case(name, plan, engine_of(plan.fit, slower=slower), load, days)


def compared(one: Case, say: Callable[[str], None]) -> dict[str, Any]:
    """All of one trace: what was simulated, every row, and by how much ours needs fewer GPU-hours than whom."""
    seeds = list(one.days)

    def run(policies: Mapping[str, Made]) -> dict[str, list[Day]]:
        found: dict[str, list[Day]] = {}
        for name, (make, static) in policies.items():
            say(f"{one.name}: {name}")
            found[name] = one.run(make, seeds, static=static)
        return found

    say(f"{one.name}: {OURS}")
    ours = one.ours(seeds)
    others, tried = run(_shipped(one)), {shipped: run(settings) for shipped, settings in _tried(one).items()}
    tuned: dict[str, list[Day]] = {}
    for shipped, found in tried.items():
        found = {**{name: days for name, days in others.items() if name == shipped}, **found}
        name = best(ours, found)
        tuned |= {name: found[name]} if name != shipped else {}
    verdict = against(ours, others)
    few = seeds[:WHAT_IF_DAYS]
    # As much in time as whoever ours is compared with, on the same days.
    rival = others[verdict["than"]]
    say(f"{one.name}: {FORESEEN}")
    known = _foreseen(one, few, mean_in_time(rival[: len(few)]))
    return {
        "plan": _said(one),
        "policies": {name: row(days) for name, days in {OURS: ours, **others}.items()},
        "tuned_in_hindsight": {name: row(days) for name, days in tuned.items()},
        "static": {name: row(days) for name, days in tried[STATIC].items()},
        "foreseen": {FORESEEN: row(known)},
        "bound": bound(
            known, {name: days[: len(few)] for name, days in {OURS: ours, **others}.items()}, rival[: len(few)]
        ),
        "fewer_gpu_hours": verdict,
        "fewer_gpu_hours_than_tuned": against(ours, {**others, **tuned}),
        "what_if": {name: row(days) for name, days in _what_if(one, few, say).items()},
    }


def _shipped(one: Case) -> dict[str, Made]:
    """Rivals as they are shipped, and who buys for the peak."""
    return {
        PLANNED: (partial(Static, one.planned), one.planned),
        WAITING: (Waiting, None),
        GPU: (GpuUtilisation, None),
        CONCURRENCY: (partial(Concurrency, KNATIVE_UTILISATION * one.engine.at_once), None),
    }


def _tried(one: Case) -> dict[str, dict[str, Made]]:
    """What else is tried of each."""
    share = TRIED_CONCURRENCY
    return {
        STATIC: {f"{STATIC}, {count}": (partial(Static, count), count) for count in TRIED_STATIC},
        WAITING: {f"KEDA, {TRIED_WAITING:g} waiting": (partial(Waiting, TRIED_WAITING), None)},
        GPU: {
            f"HPA, {100 * TRIED_GPU:.0f} % of GPUs": (partial(GpuUtilisation, TRIED_GPU), None),
            "HPA, 80 % of GPUs' time, without delay": (SmoothGpuUtilisation, None),
        },
        CONCURRENCY: {
            f"Knative (KServe), {100 * share:.0f} % of requests at once": (
                partial(Concurrency, share * one.engine.at_once),
                None,
            )
        },
    }


def _what_if(one: Case, seeds: Sequence[int], say: Callable[[str], None]) -> dict[str, list[Day]]:
    """Ours, and the fleet for the busiest minute, where the simulation's figures are wrong."""
    say(f"{one.name}: what if")
    planned = one.planned
    calm = case(one.name, seeds, replace(one.load, bursts_per_day=0.0))
    slow = replace(one, engine=engine_of(one.plan.fit, slower=1.3))
    return {
        "first come, first served": one.ours(seeds, lets_pass_seconds=math.inf),
        f"its queue before {GPU}": one.run(GpuUtilisation, seeds, lets_pass_seconds=one.plan.lets_pass_seconds),
        "every start pulls its image": one.ours(seeds, machines_stay=False),
        "engines 30 % slower than sized": slow.ours(seeds),
        f"engines so, {STATIC}, {planned}": slow.static(planned, seeds),
        "no bursts": calm.ours(seeds),
        f"no bursts, {STATIC}, {planned}": calm.static(planned, seeds),
    }


def _foreseen(one: Case, seeds: Sequence[int], wanted_percent: float) -> list[Day]:
    """Whoever knows each day, what starts take, and has our queue: as much in time, with the fewest replicas."""
    queue: dict[str, Any] = {"lets_pass_seconds": one.plan.lets_pass_seconds}
    seconds = sum(one.plan.start_seconds) / 2
    prospects = {seed: _prospect(one, seed, queue) for seed in seeds}

    def tried(worth: float) -> list[Day]:
        found: list[Day] = []
        for seed in seeds:
            counts = schedule(prospects[seed], seconds, worth)
            exact: dict[str, Any] = {
                "start_seconds": (seconds, seconds),
                "pull_seconds": (0.0, 0.0),
                "initial": counts[0],
            }
            found += one.run(partial(Foreseen, counts, seconds), (seed,), **exact, **queue)
        return found

    return foreseen(tried, wanted_percent)


def _prospect(one: Case, seed: int, queue: Mapping[str, Any]) -> Prospect:
    """What each number of replicas would have in time, all day."""
    outcomes: list[list[bool]] = []
    for count in range(LEAST, MOST + 1):
        setting = replace(one.setting(count), seed=seed, **queue)
        outcomes.append(in_time(simulate(one.days[seed], setting, Static(count)), one.plan))
    return Prospect.of([request.at for request in one.days[seed]], outcomes, LEAST, one.load.seconds)


def _said(one: Case) -> dict[str, Any]:
    """What the plan decided, and what it was tried on."""
    plan, requests = one.plan, [len(day) for day in one.days.values()]
    return {
        "target_requests": plan.scaling.target_requests,
        "target_per_second": plan.scaling.target_per_second,
        "slice_seconds": plan.demand.slice_seconds,
        "window_seconds": plan.scaling.window_seconds,
        "replicas": [LEAST, MOST],
        "planned_for_the_busiest_minute": one.planned,
        "start_seconds": [round(end) for end in plan.start_seconds],
        "pull_seconds": [round(end) for end in plan.pull_seconds],
        "requests_per_second_of_a_replica": round(plan.fit.capacity, 2),
        "first_token_seconds": plan.time_to_first_token_seconds,
        "per_token_seconds": plan.time_per_output_token_seconds,
        "requests_a_day": round(sum(requests) / len(requests)),
        "days": len(one.days),
    }
