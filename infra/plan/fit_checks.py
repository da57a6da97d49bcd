"""What does not fit or cannot be reached, each with the numbers and the nearest that does; and what is only tight."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from infra.catalog.instances import instances
from infra.config import ModelSettings
from infra.engines import ENGINES
from infra.objective import ACCELERATORS
from infra.plan.fit import Fit, judged
from infra.plan.fit import fit as fit_of
from infra.platforms.base import Abilities
from infra.problems import Problem
from infra.sizing.precision import PRECISIONS
from infra.sizing.select import select
from infra.sizing.types import LLAMA_CPP, Candidate, Demand, Rejection, Shape

MOST_GPUS = 8
MORE_AT_ONCE = (8, 16, 32, 64, 128, 256)
NOTHING = "choose a smaller or more quantized model: nothing known fits"


@dataclass(frozen=True, kw_only=True)
class Market:
    """Where GPUs may come from: clouds and regions (empty: own machines), how many of each one machine has, and whether
    a replica may have several machines."""

    clouds: tuple[str, ...]
    regions: tuple[str, ...]
    gpus: Mapping[str, int]
    several_nodes: bool = False


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Replicas that share a load, over so many sites; each site has its own `scaling`."""

    min: int
    max: int
    sites: int


def market(sites: Collection[Abilities]) -> Market:
    """That of the sites where a model is: what each of them has."""
    having = [site.gpus for site in sites if site.gpus is not None]
    return Market(
        clouds=tuple(sorted({site.cloud for site in sites if site.cloud})),
        regions=tuple(sorted({site.region for site in sites if site.region})),
        gpus={
            name: most
            for name in ACCELERATORS
            if (most := min((each.get(name, 0) for each in having), default=MOST_GPUS))
        },
        several_nodes=all(site.several_nodes for site in sites),
    )


def fit_problems(where: str, settings: ModelSettings, fit: Fit, replicas: Serving, at: Market) -> Iterator[Problem]:
    """Shapes that are no answer, and objectives that all replicas together cannot reach."""
    wanted, workload = settings.objective, fit.sized.workload
    if wanted and wanted.input_tokens + wanted.output_tokens > settings.context_tokens:
        yield Problem(
            where=f"{where}.objective.input_tokens",
            found=f"{wanted.input_tokens}, and {wanted.output_tokens} of output, with `context_tokens: "
            f"{settings.context_tokens}`",
            allowed="prompt and answer of a usual request within the context",
            remedy="correct the objective, or raise `context_tokens`",
        )
        return
    for rejection in _rejections(fit):
        yield _rejected(where, settings, fit, rejection, at)
    if fit.sized.rejections or not fit.capacity or wanted is None:
        return
    rate, users = wanted.requests_per_second, wanted.concurrent_users
    needed = _needed(rate, users, fit)
    if needed <= replicas.max:
        return
    field = "requests_per_second" if rate is not None else "concurrent_users"
    able = fit.capacity * replicas.max if rate is not None else fit.at_once * replicas.max
    yield Problem(
        where=f"{where}.objective.{field}",
        found=f"{rate if rate is not None else users:g}, where one replica {_does(fit)}, with "
        f"{workload.input_tokens} tokens in and {workload.output_tokens} out",
        allowed=f"up to {able:.4g} with {replicas.max} replica{'s' if replicas.max > 1 else ''}",
        remedy=f"raise `scaling.max_replicas` to {math.ceil(needed / replicas.sites)}"
        + "".join(f", or set {other}" for other in _reaching(fit, rate, users, replicas, at)),
    )


def replicas_needed(settings: ModelSettings) -> int | None:
    """How many replicas reach the objective; None where there is none, or nobody knows how fast one is."""
    sized, wanted = fit_of(settings), settings.objective
    if wanted is None or not isinstance(sized, Fit) or not sized.capacity:
        return None
    return _needed(wanted.requests_per_second, wanted.concurrent_users, sized)


def fit_warnings(name: str, settings: ModelSettings, fit: Fit, replicas: Serving) -> Iterator[str]:
    """What holds only sometimes, or is not in the figures."""
    wanted, speed, at_once = settings.objective, fit.sized.performance, settings.concurrent_requests
    model = f"model `{name}`"
    for note in fit.sized.notes:
        yield f"{model}: {note}"
    if settings.adapters or settings.speculative:
        yield f"{model}: memory and speed are those without its adapters and without speculative decoding"
    if speed is None:
        return
    if speed.batch < at_once:
        yield f"{model}: the KV cache holds {speed.batch} usual requests, `concurrent_requests` is {at_once}"
    elif fit.at_once < at_once:
        yield (
            f"{model}: up to {fit.at_once} requests at once keep `objective.time_per_output_token_milliseconds`, "
            f"`concurrent_requests` is {at_once}"
        )
    first = fit.objective.time_to_first_token_ms
    if first is not None and speed.time_to_first_token_ms_low > first:
        yield (
            f"{model}: with {speed.batch} requests at once the first token takes "
            f"{speed.time_to_first_token_ms_low:.0f} ms at best, "
            f"`objective.time_to_first_token_seconds` is {first / 1000:g}"
        )
    if wanted is None or not fit.capacity:
        return
    needed = _needed(wanted.requests_per_second, wanted.concurrent_users, fit)
    # A change in place takes one away first.
    away = int(settings.rollout == "in_place")
    if replicas.min < needed + away:
        yield (
            f"{model}: its objective needs about {needed} replica{'s' if needed > 1 else ''}"
            f"{', and one more while `rollout: in_place` changes one' if away else ''}, {replicas.min} always "
            f"run{'s' if replicas.min == 1 else ''}: one {_does(fit)}"
        )


def _reaching(fit: Fit, rate: float | None, users: int | None, replicas: Serving, at: Market) -> Iterator[str]:
    """What would reach it with the replicas that are allowed: more requests at once on these GPUs, else on others."""
    shape = fit.sized.shape
    others = _others(_demand(fit, at, rate, users or fit.sized.workload.concurrency, replicas.max), at)
    for candidate in (None, *others):
        on = shape if candidate is None else _like(shape, candidate)
        own = shape.max_num_seqs or 1
        for at_once in (own, *(more for more in MORE_AT_ONCE if more > own)):
            more = judged(
                replace(on, max_num_seqs=at_once), replace(fit.sized.workload, concurrency=at_once), fit.objective
            )
            if more.sized.rejections or not more.capacity or more.at_once < at_once:
                break
            if _needed(rate, users, more) <= replicas.max:
                if candidate is not None:
                    yield f"{_named(candidate, at)} and `concurrent_requests: {at_once}`"
                else:
                    yield f"`concurrent_requests: {at_once}`"
                return


def _needed(rate: float | None, users: int | None, fit: Fit) -> int:
    return math.ceil(rate / fit.capacity) if rate is not None else math.ceil((users or 0) / fit.at_once)


def _does(fit: Fit) -> str:
    return f"does about {fit.capacity:.3g} requests a second, {fit.at_once} at once"


def _rejections(fit: Fit) -> Iterator[Rejection]:
    yield from fit.sized.rejections
    held, shape, wanted = fit.sized.memory, fit.sized.shape, fit.sized.workload.concurrency
    # It takes the memory for all of them when it starts.
    if shape.engine == LLAMA_CPP and not fit.sized.rejections and held.full_context_requests < wanted:
        message = f"the memory that is left holds {held.full_context_requests:.1f} contexts of {shape.max_model_len} "
        yield Rejection(code="concurrency_does_not_fit", message=f"{message}tokens, {wanted} may run at once")


def _rejected(where: str, settings: ModelSettings, fit: Fit, rejection: Rejection, at: Market) -> Problem:
    shape = fit.sized.shape
    if rejection.code == "context_too_long":
        return Problem(
            where=f"{where}.context_tokens",
            found=f"{settings.context_tokens}: {rejection.message}",
            allowed=f"up to {shape.model.max_context}",
            remedy=f"lower it to {shape.model.max_context} or less, or choose another model",
        )
    wanted = fit.sized.workload.concurrency
    less = [*_smaller(settings, fit, rejection)]
    for candidate in _others(_demand(fit, at, None, wanted, None), at):
        # Selection knows the engine's defaults, not what this stack sets.
        if not judged(_like(shape, candidate), fit.sized.workload, fit.objective).sized.rejections:
            less.append(_named(candidate, at))
            break
    return Problem(
        where=f"{where}.accelerator",
        found=f"`{shape.gpu_count} × {shape.gpu.gpu}`, {shape.model.model} in {shape.precision.name}: "
        f"{rejection.message} ({rejection.code})",
        allowed="what is fast enough for the objective"
        if rejection.code == "objective_missed"
        else f"GPUs that hold weights, buffers and the KV cache of {shape.max_model_len} tokens",
        remedy=f"the nearest that fits: {'; or '.join(less)}" if less else NOTHING,
    )


def _smaller(settings: ModelSettings, fit: Fit, rejection: Rejection) -> Iterator[str]:
    """What would do on the same GPUs."""
    sized, shape = fit.sized, fit.sized.shape
    fp8 = "fp8" in ENGINES[settings.engine.kind].capabilities.quantization
    if fp8 and shape.precision.bytes_per_parameter >= 2:
        again = judged(replace(shape, precision=PRECISIONS["fp8"]), sized.workload, fit.objective)
        if not again.sized.rejections:
            yield "`quantization: fp8` on the same GPUs"
    if shape.precision.name == "bf16" and rejection.code == "dtype_unsupported":
        again = judged(replace(shape, precision=PRECISIONS["fp16"]), sized.workload, fit.objective)
        if not again.sized.rejections:
            yield "`precision: float16` on the same GPUs"
    if rejection.code == "context_does_not_fit":
        yield f"`context_tokens: {sized.memory.kv_pool_tokens}`"


def _demand(fit: Fit, at: Market, rate: float | None, users: int, most: int | None) -> Demand:
    shape = fit.sized.shape
    return Demand(
        model=shape.model,
        workload=replace(fit.sized.workload, concurrency=users),
        engine=shape.engine,
        precisions=(shape.precision.name,),
        kv_dtype=shape.kv_dtype,
        max_model_len=shape.max_model_len,
        objective=fit.objective,
        requests_per_second=rate,
        tensor_parallel=1 if shape.engine == LLAMA_CPP else None,
        clouds=at.clouds,
        regions=tuple(region for region in at.regions if region in {row.region for row in instances()}),
        max_replicas=most,
    )


def _others(demand: Demand, at: Market) -> Iterator[Candidate]:
    """Other GPUs, of those that these places have, the cheapest first."""
    return (
        candidate
        for candidate in _selected(demand)
        if (candidate.nodes == 1 or at.several_nodes)
        and candidate.shape.tensor_parallel <= at.gpus.get(candidate.shape.gpu.gpu, 0)
    )


def _like(shape: Shape, other: Candidate) -> Shape:
    gpu, split, stages = other.shape.gpu, other.shape.tensor_parallel, other.nodes
    return replace(shape, gpu=gpu, gpu_count=split * stages, tensor_parallel=split, pipeline_parallel=stages)


def _named(candidate: Candidate, at: Market) -> str:
    hour, shape = candidate.cost.per_hour, candidate.shape
    price = f", from ${hour / candidate.instances:.2f} an hour" if hour is not None and at.clouds else ""
    nodes = f", nodes: {candidate.nodes}" if candidate.nodes > 1 else ""
    return f"`accelerator: {{type: {shape.gpu.gpu}, count: {shape.tensor_parallel}{nodes}}}`{price}"


@lru_cache(maxsize=256)
def _selected(demand: Demand) -> tuple[Candidate, ...]:
    found = select(demand)
    return (*found.ranked, *found.unpriced)
