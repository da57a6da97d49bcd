"""Which machines serve a model at its objective for the least money, and why every other shape does not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from infra.catalog.gpus import Gpu, gpus, memory_only
from infra.catalog.instances import Instance, instances
from infra.sizing.cost import cost, price_warnings
from infra.sizing.evaluate import Sized, evaluate
from infra.sizing.kv_cache import kv_dtype_or_default
from infra.sizing.performance import ROOFLINE, PerformanceModel
from infra.sizing.pool import engine_options
from infra.sizing.precision import PRECISIONS
from infra.sizing.types import (
    LLAMA_CPP,
    Candidate,
    Demand,
    Memory,
    Objective,
    Performance,
    Rejection,
    Selection,
    Shape,
    Workload,
)

# A replica is not planned fuller than this share of what it can do at the objective.
MOST_SATURATION = 0.7
_SPLITS = (1, 2, 4, 8)
_STAGES = (2, 4)
_LEAST_GPUS_PER_NODE = 8
# More machines are an answer only when each shape on one fails for one of these.
_NO_NODE_HOLDS_IT = frozenset(
    {"weights_do_not_fit", "kv_pool_too_thin", "context_does_not_fit", "dtype_unsupported", "not_modelled"}
    | {"tensor_parallel_invalid"}
)
# By engine: what was measured of it is not what many requests at a time do.
_MEASURED_OTHERWISE = {LLAMA_CPP: "llama.cpp's speed was measured one request at a time and in static batches"}


def select(demand: Demand, today: date | None = None, estimator: PerformanceModel = ROOFLINE) -> Selection:
    """Judges every instance type, purchase, precision and split that the demand allows. Pure and order-stable."""
    found = [*_candidates(demand, today, estimator, nodes=1)]
    if all(_NO_NODE_HOLDS_IT & set(candidate.codes) for candidate in found):
        found += [more for nodes in _STAGES for more in _candidates(demand, today, estimator, nodes)]
    good = [candidate for candidate in found if not candidate.rejections]
    return Selection(
        ranked=tuple(sorted((c for c in good if c.cost.per_month is not None), key=_rank)),
        unpriced=tuple(sorted((c for c in good if c.cost.per_month is None), key=_rank)),
        rejected=tuple(sorted((c for c in found if c.rejections), key=_rank)),
    )


def replicas_for(demand: Demand, best: int, tokens_per_second: float) -> int:
    """Replicas that keep each at 70 % of saturation or less, for requests in flight and for requests per second.
    `best` is the largest batch at the objective, `tokens_per_second` what it puts out when saturated."""
    needed = math.ceil(demand.workload.concurrency / max(1, math.floor(MOST_SATURATION * best)))
    if demand.requests_per_second is not None:
        tokens = demand.requests_per_second * demand.workload.output_tokens
        needed = max(needed, math.ceil(tokens / (MOST_SATURATION * tokens_per_second)))
    return max(needed, demand.min_replicas)


def largest_batch(
    shape: Shape, workload: Workload, memory: Memory, objective: Objective, estimator: PerformanceModel
) -> int:
    """The most running requests that still meet the time per output token: it only grows with the batch."""
    most = max(1, memory.max_batch * shape.data_parallel)
    limit = objective.time_per_output_token_ms
    if limit is None or _saturated(shape, workload, memory, estimator, most).time_per_output_token_ms <= limit:
        return most
    least = 1
    while most - least > 1:
        middle = (least + most) // 2
        met = _saturated(shape, workload, memory, estimator, middle).time_per_output_token_ms <= limit
        least, most = (middle, most) if met else (least, middle)
    return least


def _candidates(demand: Demand, today: date | None, estimator: PerformanceModel, nodes: int) -> Iterator[Candidate]:
    judged: dict[Shape, tuple[Sized, int, Performance | None]] = {}
    for instance in _allowed(demand):
        # A card without a row of figures is listed as rejected like any other.
        gpu = gpus().get(instance.gpu) or memory_only(instance.gpu, 0.0)
        for shape in _shapes(demand, gpu, instance, nodes):
            if shape not in judged:
                judged[shape] = _judge(shape, demand, estimator)
            for purchase in demand.purchases:
                yield _candidate(demand, instance, purchase, nodes, shape, judged[shape], today, estimator)


def _judge(shape: Shape, demand: Demand, estimator: PerformanceModel) -> tuple[Sized, int, Performance | None]:
    sized = evaluate(shape, demand.workload, estimator, demand.objective)
    if (refusal := estimator.refusal(shape, demand.workload)) is not None:
        sized = replace(sized, rejections=(Rejection(code="not_modelled", message=refusal),))
    if sized.performance is None or sized.rejections:
        return sized, 1, None
    best = largest_batch(shape, demand.workload, sized.memory, demand.objective, estimator)
    return sized, best, _saturated(shape, demand.workload, sized.memory, estimator, best)


def _candidate(
    demand: Demand,
    instance: Instance,
    purchase: str,
    nodes: int,
    shape: Shape,
    judged: tuple[Sized, int, Performance | None],
    today: date | None,
    estimator: PerformanceModel,
) -> Candidate:
    sized, best, saturated = judged
    speed = sized.performance
    replicas = replicas_for(demand, best, saturated.output_tokens_per_second) if saturated else demand.min_replicas
    each = math.ceil(demand.workload.concurrency / replicas)
    rejections = [*sized.rejections]
    if saturated and demand.max_replicas is not None and replicas > demand.max_replicas:
        message = f"{best} requests run at the objective, {MOST_SATURATION:.0%} of which may; {replicas} replicas "
        message += f"would be needed, {demand.max_replicas} are allowed"
        rejections.append(Rejection(code="concurrency_does_not_fit", message=message))
    if saturated:
        speed = estimator.estimate(shape, replace(demand.workload, concurrency=each), sized.memory)
    together = max(1, instance.gpu_count * nodes // shape.gpu_count)
    machines = math.ceil(replicas / together) * nodes
    most = math.ceil((demand.max_replicas or replicas) / together) * nodes
    output = saturated.output_tokens_per_second * replicas if saturated else 0.0
    money = cost(instance, purchase, machines, most, output, demand.utilisation)
    limit = demand.dollars_per_month
    if limit is not None and money.per_month is not None and money.per_month > limit:
        message = f"${money.per_month:,.0f} a month for {machines} machines, ${limit:,.0f} allowed"
        rejections.append(Rejection(code="over_budget", message=message))
    return Candidate(
        cloud=instance.cloud,
        instance_type=instance.instance_type,
        region=instance.region,
        purchase=purchase,
        nodes=nodes,
        shape=shape,
        replicas=replicas,
        instances=machines,
        concurrency_per_replica=each,
        memory=sized.memory,
        performance=speed,
        cost=money,
        engine_options=engine_options(shape),
        rejections=tuple(rejections),
        warnings=(*sized.notes, *_warnings(demand, shape, nodes), *price_warnings(instance, purchase, today)),
    )


def _allowed(demand: Demand) -> Iterator[Instance]:
    for instance in instances():
        if demand.clouds and instance.cloud not in demand.clouds:
            continue
        if demand.regions and instance.region not in demand.regions:
            continue
        if demand.accelerator is None or instance.gpu == demand.accelerator:
            yield instance


def _shapes(demand: Demand, gpu: Gpu, instance: Instance, nodes: int) -> Iterator[Shape]:
    """Splits of one replica on one machine; over machines the whole of each is one stage."""
    splits = (demand.tensor_parallel,) if demand.tensor_parallel else _SPLITS
    for name in demand.precisions:
        precision = PRECISIONS[name]
        for split in splits:
            whole = split == instance.gpu_count and instance.fabric and split >= _LEAST_GPUS_PER_NODE
            if split > instance.gpu_count or (nodes > 1 and not whole):
                continue
            yield Shape(
                model=demand.model,
                gpu=gpu,
                engine=demand.engine,
                precision=precision,
                kv_dtype=kv_dtype_or_default(demand.kv_dtype, demand.engine, precision.compute),
                max_model_len=demand.max_model_len or demand.workload.input_tokens + demand.workload.output_tokens,
                gpu_count=split * nodes,
                tensor_parallel=split,
                pipeline_parallel=nodes,
                expert_parallel=bool(demand.model.experts),
                weights_bytes=demand.weights_bytes,
            )


def _saturated(
    shape: Shape, workload: Workload, memory: Memory, estimator: PerformanceModel, batch: int
) -> Performance:
    return estimator.estimate(shape, replace(workload, concurrency=batch, saturated=True), memory)


def _warnings(demand: Demand, shape: Shape, nodes: int) -> Iterator[str]:
    if shape.model.gated != "no":
        yield f"{shape.model.model} is gated: its licence ({shape.model.license}) must be accepted"
    if nodes > 1:
        yield f"a pipeline over {nodes} machines: nothing of that kind was measured"
    if demand.workload.concurrency > 1 and shape.engine in _MEASURED_OTHERWISE:
        yield _MEASURED_OTHERWISE[shape.engine]


def _rank(candidate: Candidate) -> tuple[object, ...]:
    """Cheapest at the objective first; without a price by the fewest GPUs; ties by name, so that output is stable."""
    price, shape = candidate.cost.per_month, candidate.shape
    names = (candidate.cloud, candidate.instance_type, candidate.region, candidate.purchase)
    gpu_count = candidate.instances * shape.gpu_count
    return (math.inf if price is None else price, gpu_count, *names, shape.precision.name, shape.tensor_parallel)
