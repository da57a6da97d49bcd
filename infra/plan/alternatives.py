"""Cheaper alternatives: a model on other machines or bought otherwise, no less at its objective, for a fifth less.

Each is planned and billed by the platforms themselves, so what a change brings with it (fees, disks, traffic) is in the
saving. Nothing is offered of which something has no price, nor what a platform would refuse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from infra.catalog.gpus import gpus
from infra.plan.alike import Here, bill_of
from infra.plan.fit import Fit, judged
from infra.plan.fit_checks import Market
from infra.plan.node_pools import COUNTS
from infra.plan.types import Accelerator, Alternative, Replicas
from infra.platforms import PLATFORMS
from infra.platforms.base import OtherPurchase, SiteRequest
from infra.price.bill import Bill, Line
from infra.price.book import HIGH_INTERRUPTION, PriceBook
from infra.sizing.types import LLAMA_CPP

# A change of machine is worth a thought from here on.
WORTH_SAVING = 0.20
# Fewer never run where so many did, nor on fewer machines: one alone is lost with its machine.
LEAST_APART = 2
# Slower by less than this is within what nobody can tell.
NOTICEABLE = 1.05
AS_NOW = OtherPurchase(written="", settings=None, gives_up=())


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A model as it is planned, and what it must reach on the `sites` that share its load."""

    name: str
    fit: Fit
    requests_per_second: float | None
    concurrent_users: int | None
    sites: int
    market: Market


def alternatives(wanted: Wanted, sites: Sequence[Here], book: PriceBook) -> tuple[Alternative, ...]:
    """The cheapest for each way to buy that costs less at all, the largest saving first; `worth_it` are to be shown."""
    now = _cost(wanted.name, [(here, here.bill) for here in sites])
    if now is None or now.dollars <= 0:
        return ()
    best: dict[str, Alternative] = {}
    for accelerator, fit in _shapes(wanted):
        for purchase in _purchases(sites):
            same = accelerator == _accelerator(wanted.fit)
            if same and purchase is AS_NOW:
                continue
            found = _judged(wanted, sites, book, now, accelerator, fit, purchase)
            before = best.get(purchase.written)
            if found and (before is None or found.saves_dollars_per_month > before.saves_dollars_per_month):
                best[purchase.written] = found
    return tuple(sorted(best.values(), key=lambda one: -one.saves_dollars_per_month))


def worth_it(found: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Those that are worth a thought."""
    return tuple(
        one
        for one in found
        if one.saves_dollars_per_month >= WORTH_SAVING * (one.dollars_per_month + one.saves_dollars_per_month)
    )


@dataclass(frozen=True)
class _Cost:
    dollars: float
    machines: str
    lines: tuple[Line, ...]


def _shapes(wanted: Wanted) -> Iterator[tuple[Accelerator, Fit]]:
    """GPUs that every site of the model has, on which it fits with as many requests at once as now."""
    shape = wanted.fit.sized.shape
    counts = (1,) if shape.engine == LLAMA_CPP else COUNTS
    yield _accelerator(wanted.fit), wanted.fit
    for name, most in wanted.market.gpus.items():
        for count in counts:
            accelerator = Accelerator(type=name, count=count)
            if count > most or accelerator == _accelerator(wanted.fit):
                continue
            on = replace(shape, gpu=gpus()[name], gpu_count=count, tensor_parallel=count)
            fit = judged(on, wanted.fit.sized.workload, wanted.fit.objective)
            if fit.sized.rejections or not fit.capacity or _late(fit) > max(1.0, _late(wanted.fit)):
                continue
            yield accelerator, fit


def _late(fit: Fit) -> float:
    """How much of the time to the first token that is allowed passes at best."""
    allowed, speed = fit.objective.time_to_first_token_ms, fit.sized.performance
    return speed.time_to_first_token_ms_low / allowed if allowed and speed else 0.0


def _purchases(sites: Sequence[Here]) -> Iterator[OtherPurchase]:
    """As it is bought now, and what every site could change to."""
    yield AS_NOW
    ways = [{one.written: one for one in _others(here)} for here in sites]
    yield from (one for written, one in ways[0].items() if all(written in way for way in ways))


def _others(here: Here) -> Iterator[OtherPurchase]:
    return PLATFORMS[here.request.settings.kind].other_purchases(here.request.settings)


def _judged(
    wanted: Wanted,
    sites: Sequence[Here],
    book: PriceBook,
    now: _Cost,
    accelerator: Accelerator,
    fit: Fit,
    purchase: OtherPurchase,
) -> Alternative | None:
    """The alternative; None where a platform refuses it, something has no price, or it saves nothing."""
    made: list[tuple[Here, Bill]] = []
    replicas: list[Replicas] = []
    for here in sites:
        request = _changed(wanted, here, accelerator, fit, purchase)
        platform = PLATFORMS[request.settings.kind]
        if any(platform.problems(request)):
            return None
        after = bill_of(book, request, platform.plan(request))
        if _machines(wanted.name, after) < min(LEAST_APART, _machines(wanted.name, here.bill)):
            return None
        made.append((here, after))
        replicas.append(request.replicas[wanted.name])
    cost = _cost(wanted.name, made)
    if cost is None:
        return None
    saved = sum(
        (here.bill.dollars_per_month_minimum - after.dollars_per_month_minimum) * here.count for here, after in made
    )
    if saved <= 0:
        return None
    most = Replicas(min=max(one.min for one in replicas), max=max(one.max for one in replicas))
    scaled = any(one != here.request.replicas[wanted.name] for one, here in zip(replicas, sites, strict=True))
    changes = (
        (f"accelerator: {{type: {accelerator.type}, count: {accelerator.count}}}", fit is not wanted.fit),
        (f"scaling: {{min_replicas: {most.min}, max_replicas: {most.max}}}", scaled),
        (purchase.written, purchase is not AS_NOW),
    )
    return Alternative(
        changes=tuple(written for written, changed in changes if changed),
        accelerator=accelerator,
        replicas=most,
        machines=cost.machines,
        instead_of=now.machines,
        dollars_per_month=round(now.dollars - saved, 2),
        saves_dollars_per_month=round(saved, 2),
        saves_percent=round(100 * saved / now.dollars, 1),
        gives_up=tuple(_given_up(wanted, sites, fit, purchase, most, cost)),
    )


def _changed(wanted: Wanted, here: Here, accelerator: Accelerator, fit: Fit, purchase: OtherPurchase) -> SiteRequest:
    request, name = here.request, wanted.name
    settings = request.settings
    if purchase is not AS_NOW:
        settings = next(one.settings for one in _others(here) if one.written == purchase.written)
    model = replace(request.models[name], accelerator=accelerator, memory=fit.memory, performance=fit.performance)
    return replace(
        request,
        settings=settings,
        models={**request.models, name: model},
        replicas={**request.replicas, name: _replicas(wanted, request.replicas[name], fit)},
    )


def _replicas(wanted: Wanted, now: Replicas, fit: Fit) -> Replicas:
    """As many as do at their fewest what is done now, or what the objective asks where that is less."""
    sites, before = max(1, wanted.sites), wanted.fit
    if wanted.concurrent_users is not None:
        each, needed = fit.at_once, min(now.min * before.at_once, wanted.concurrent_users / sites)
        most = now.max * before.at_once
    else:
        each, needed, most = fit.capacity, now.min * before.capacity, now.max * before.capacity
        if wanted.requests_per_second is not None:
            needed = min(needed, wanted.requests_per_second / sites)
    least = max(min(now.min, LEAST_APART), math.ceil(needed / each - 1e-9))
    return Replicas(min=least, max=max(least, math.ceil(most / each - 1e-9)))


def _cost(name: str, bills: Sequence[tuple[Here, Bill]]) -> _Cost | None:
    """What the machines of a model cost at the fewest replicas, and which they are; None where one has no price."""
    dollars, machines, lines = 0.0, dict[str, float](), list[Line]()
    for here, made in bills:
        own = [line for line in made.lines if name in line.models]
        if any(line.dollars_per_month_minimum is None for line in own):
            return None
        dollars += here.count * sum(line.dollars_per_month_minimum or 0 for line in own)
        dearest = _dearest(name, made)
        machines[dearest.item] = machines.get(dearest.item, 0) + here.count * dearest.minimum
        lines += own
    text = " and ".join(f"{count:g} × {item}" for item, count in machines.items() if count)
    return _Cost(dollars, text, tuple(lines))


def _dearest(name: str, made: Bill) -> Line:
    """What a model is chiefly paid for: its machines, not a fee on top of them."""
    return max(
        (line for line in made.lines if name in line.models), key=lambda line: line.dollars_per_month_minimum or 0
    )


def _machines(name: str, made: Bill) -> float:
    return _dearest(name, made).minimum


def _given_up(
    wanted: Wanted, sites: Sequence[Here], fit: Fit, purchase: OtherPurchase, replicas: Replicas, cost: _Cost
) -> Iterator[str]:
    yield from purchase.gives_up
    if any(line.price and line.price.interruption_band == HIGH_INTERRUPTION for line in cost.lines):
        yield "more than 20 % of these machines were taken away in a month"
    if purchase is not AS_NOW and any(here.others for here in sites):
        yield "the other models of its sites are bought so too"
    before, after = wanted.fit.sized.performance, fit.sized.performance
    if before and after and after.time_per_output_token_ms > before.time_per_output_token_ms * NOTICEABLE:
        yield (
            f"slower, {after.time_per_output_token_ms:.1f} ms for each further token instead of "
            f"{before.time_per_output_token_ms:.1f}"
        )
    fewest = max(here.request.replicas[wanted.name].min for here in sites)
    if replicas.min != fewest:
        yield f"{replicas.min} replicas at the fewest instead of {fewest}"


def _accelerator(fit: Fit) -> Accelerator:
    return Accelerator(type=fit.sized.shape.gpu.gpu, count=fit.sized.shape.gpu_count)
