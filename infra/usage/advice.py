"""What the plan would do at the load that was measured: fewer replicas, other machines, another way to buy, fewer bits.

Each is planned anew with the measured load as the objective, and billed as every plan is. What was asked of answers
(time to the first token, time between tokens) stays asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from infra.config import ModelSettings, StackConfig
from infra.objective import ObjectiveSettings
from infra.plan.build import build_plan
from infra.plan.fit_checks import replicas_needed
from infra.plan.types import DeploymentPlan
from infra.problems import Refused
from infra.report.words import dollars
from infra.usage.totals import Busy, Totals

# A day shows a day's peak; less than that shows nothing about the next.
LEAST_HOURS = 24
# Half of the objective in the busiest hour is much less than was thought; above it, more.
MUCH_LESS = 0.5
# Within the busiest hour some minutes are busier than its mean.
WITHIN_THE_HOUR = 1.5
FEWEST_APART = 2


@dataclass(frozen=True, kw_only=True)
class Load:
    """One model's: the mean of its busiest hour and of all of them, and its usual request."""

    peak_per_second: float
    mean_per_second: float
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, kw_only=True)
class Advice:
    """`write` is what would be written; `saves` None where nothing is known of prices."""

    model: str
    found: str
    write: str
    saves_dollars_per_month: float | None
    gives_up: str = ""


def loads(totals: Totals, first: str, last: str) -> dict[str, Load]:
    """By model, over the time that the audit is of."""
    seconds = max(3600.0, (_moment(last) - _moment(first)).total_seconds()) if first else 3600.0
    whole: dict[str, Busy] = {}
    peaks: dict[str, int] = {}
    for (model, _), busy in totals.hours.items():
        one = whole.setdefault(model, Busy())
        one.answered += busy.answered
        one.prompt_tokens += busy.prompt_tokens
        one.output_tokens += busy.output_tokens
        peaks[model] = max(peaks.get(model, 0), busy.answered)
    return {
        model: Load(
            peak_per_second=peaks[model] / 3600,
            mean_per_second=one.answered / seconds,
            input_tokens=max(1, round(one.prompt_tokens / one.answered)),
            output_tokens=max(1, round(one.output_tokens / one.answered)),
        )
        for model, one in whole.items()
        if one.answered
    }


def advice(config: StackConfig, stack: str, site: str | None, measured: Mapping[str, Load]) -> Iterator[Advice]:
    """For each model of the stack, the largest saving first. Raises Refused where the stack has no plan."""
    now = build_plan(config, stack, site=site)
    for name, model in config.models.items():
        load = measured.get(name)
        if load is None:
            yield from _idle(now, name, model)
            continue
        found = [*_of(config, stack, site, now, name, load)]
        yield from sorted(found, key=lambda one: -(one.saves_dollars_per_month or 0))


def _idle(now: DeploymentPlan, name: str, model: ModelSettings) -> Iterator[Advice]:
    if model.scaling.min_replicas != 0:
        yield Advice(
            model=name,
            found="nobody asked for it in all this time",
            write="`scaling: {min_replicas: 0}` with `hold`, or no such model",
            saves_dollars_per_month=_own_dollars(now, name),
            gives_up="the first request waits for a start",
        )


def _of(
    config: StackConfig, stack: str, site: str | None, now: DeploymentPlan, name: str, load: Load
) -> Iterator[Advice]:
    model = config.models[name]
    asked = model.objective
    wanted = _objective(asked, load)
    at_load = model.model_copy(update={"objective": wanted})
    rate = (
        f"{load.peak_per_second:.3g} requests/s in the busiest hour, {load.input_tokens} + {load.output_tokens} tokens"
    )
    if asked is not None and asked.requests_per_second is not None:
        share = load.peak_per_second / asked.requests_per_second
        if share > 1:
            yield Advice(
                model=name,
                found=f"{rate}: {share:.0%} of the objective",
                write=f"`objective.requests_per_second: {wanted.requests_per_second:g}`",
                saves_dollars_per_month=None,
                gives_up="it is more than was planned for: the plan then says what it takes",
            )
            return
        rate += f": {share:.0%} of the objective"
        if share > MUCH_LESS:
            return
    needed = replicas_needed(at_load)
    runs = max((place.replicas[name].min for place in now.sites.values() if name in place.replicas), default=0)
    least = None if needed is None else max(min(FEWEST_APART, runs), needed)
    if least is not None and least < runs:
        fewer = at_load.scaling.model_copy(update={"min_replicas": least})
        yield from _offer(
            now, config, stack, site, name, at_load.model_copy(update={"scaling": fewer}), rate,
            f"`scaling.min_replicas: {least}`", f"room for more than {WITHIN_THE_HOUR:g} times the busiest hour",
        )  # fmt: skip
    planned = _plan(_with(config, name, at_load), stack, site)
    for other in planned.models[name].alternatives if planned else ():
        yield Advice(
            model=name,
            found=rate,
            write=" and ".join(f"`{change}`" for change in other.changes),
            saves_dollars_per_month=other.saves_dollars_per_month,
            gives_up="; ".join(other.gives_up),
        )
    if model.quantization is None:
        smaller = at_load.model_copy(update={"quantization": "fp8"})
        count = replicas_needed(smaller)
        if count is not None and least is not None and max(FEWEST_APART, count) < least:
            fewer = smaller.scaling.model_copy(update={"min_replicas": max(FEWEST_APART, count)})
            yield from _offer(
                now, config, stack, site, name, smaller.model_copy(update={"scaling": fewer}), rate,
                f"`quantization: fp8` and `scaling.min_replicas: {max(FEWEST_APART, count)}`",
                "some of what the model knows: evaluate it first",
            )  # fmt: skip


def _offer(
    now: DeploymentPlan,
    config: StackConfig,
    stack: str,
    site: str | None,
    name: str,
    model: ModelSettings,
    found: str,
    write: str,
    gives_up: str,
) -> Iterator[Advice]:
    saves = _saved(now, _with(config, name, model), stack, site)
    if saves is None or saves > 0:
        yield Advice(model=name, found=found, write=write, saves_dollars_per_month=saves, gives_up=gives_up)


def _objective(asked: ObjectiveSettings | None, load: Load) -> ObjectiveSettings:
    measured = {
        "requests_per_second": round(max(0.001, load.peak_per_second * WITHIN_THE_HOUR), 3),
        "concurrent_users": None,
        "input_tokens": load.input_tokens,
        "output_tokens": load.output_tokens,
    }
    return ObjectiveSettings(requests_per_second=1.0).model_copy(
        update={**(asked.model_dump() if asked else {}), **measured}
    )


def _with(config: StackConfig, name: str, model: ModelSettings) -> StackConfig:
    return config.model_copy(update={"models": {**config.models, name: model}})


def _plan(config: StackConfig, stack: str, site: str | None) -> DeploymentPlan | None:
    try:
        return build_plan(config, stack, site=site)
    except Refused:
        return None  # what the plan refuses is no advice


def _saved(now: DeploymentPlan, then: StackConfig, stack: str, site: str | None) -> float | None:
    planned = _plan(then, stack, site)
    if planned is None or planned.price is None or now.price is None:
        return None if planned is not None else 0.0
    return now.price.dollars_per_month.min - planned.price.dollars_per_month.min


def _own_dollars(plan: DeploymentPlan, model: str) -> float | None:
    """What pools that are this model's alone cost at the fewest replicas."""
    if plan.price is None:
        return None
    pools = {
        (site, pool.name)
        for site, found in plan.sites.items()
        for pool in found.node_pools
        if pool.models == (model,) and pool.accelerator is not None
    }
    own = [
        line.dollars_per_month.min
        for line in plan.price.lines
        if line.dollars_per_month is not None
        and any(line.site == site and f"`{pool}`" in line.what for site, pool in pools)
    ]
    return sum(own) if own else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def saving(one: Advice) -> str:
    """As a table has it."""
    known = one.saves_dollars_per_month
    return "no price" if known is None else dollars(known, known)
