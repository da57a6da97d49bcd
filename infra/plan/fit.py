"""Fit: whether a model fits the GPUs it is given and how fast it is there; not said where its sizes are not known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from infra.catalog.gpus import gpus
from infra.catalog.models import Model, find_model, models
from infra.config import ModelSettings
from infra.engines import ENGINES
from infra.plan.calibration import with_calibration
from infra.plan.figures import LoadPoint, ModelMemory, ModelPerformance
from infra.plan.stored_weights import stored_precision
from infra.problems import nearest
from infra.sizing import types as sizing
from infra.sizing.constants import constants_for
from infra.sizing.evaluate import Sized, evaluate
from infra.sizing.kv_cache import kv_dtype_or_default
from infra.sizing.performance import ROOFLINE, parts
from infra.sizing.precision import PRECISIONS, Precision
from infra.sizing.select import largest_batch
from infra.sizing.types import LLAMA_CPP, Memory, Objective, Shape, Workload

# What a usual request is where no objective says it: as `objective` has it, and no longer than the context.
INPUT_TOKENS, OUTPUT_TOKENS = 1000, 250
MOST_INPUT_SHARE = 0.8
# Where the curve over load has points: parts of the requests that run at once; beyond all of them, the rest waits.
LOADS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5, 2.0)
_DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
_MEMORY_PERCENT = {
    "vllm": "gpu_memory_percent",
    "sglang": "static_memory_percent",
    "tensorrt_llm": "kv_cache_memory_percent",
}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One model on its GPUs. `at_once` is how many requests it runs within the objective; `capacity` is what it does
    then: requests a second of one replica."""

    sized: Sized
    objective: Objective
    at_once: int
    capacity: float

    @property
    def memory(self) -> ModelMemory:
        """Of one GPU."""
        held, shape = self.sized.memory, self.sized.shape
        cache = kv_cache_gib(shape, held, self.sized.workload.concurrency)
        used = held.weights_gib + held.activation_gib + held.graphs_gib + cache
        # What llama.cpp leaves free is counted among what is not tensors.
        used += 0.0 if shape.engine == LLAMA_CPP else held.non_torch_gib
        return ModelMemory(
            weights_gib=round(held.weights_gib, 2),
            kv_cache_gib=round(cache, 2),
            reserved_gib=round(used - held.weights_gib - cache, 2),
            free_gib=round(shape.physical_gib - used, 2),
        )

    @property
    def performance(self) -> ModelPerformance | None:
        """Of one replica."""
        speed, workload = self.sized.performance, self.sized.workload
        return speed and ModelPerformance(
            input_tokens=workload.input_tokens,
            output_tokens=workload.output_tokens,
            running_requests=speed.batch,
            requests_per_second=round(speed.output_tokens_per_second / workload.output_tokens, 3),
            output_tokens_per_second=round(speed.output_tokens_per_second, 1),
            time_per_output_token_ms=round(speed.time_per_output_token_ms, 1),
            time_to_first_token_ms_low=round(speed.time_to_first_token_ms_low),
            time_to_first_token_ms_high=round(speed.time_to_first_token_ms_high),
            estimator=speed.estimator,
            error_band=speed.error_band,
            curve=_curve(self.sized.shape, workload, self.sized.memory),
            prefill_share=round(self._prefill_share, 3),
        )

    @property
    def _prefill_share(self) -> float:
        """A request has its prompt's computation alone, and shares its steps with all that run."""
        shape, workload = self.sized.shape, self.sized.workload
        batch, part = parts(shape, workload, self.sized.memory, constants_for(shape.engine))
        steps_ms = part.step_ms * workload.output_tokens / batch
        return part.prefill_ms / (part.prefill_ms + steps_ms)


def fit(settings: ModelSettings) -> Fit | str | None:
    """The fit, or why nothing can be said of it; None where it runs on processors."""
    shape = _shape(settings)
    if shape is None or isinstance(shape, str):
        return shape
    wanted = settings.objective
    objective = Objective(
        time_per_output_token_ms=wanted and wanted.time_per_output_token_milliseconds,
        time_to_first_token_ms=wanted.time_to_first_token_seconds * 1000
        if wanted and wanted.time_to_first_token_seconds
        else None,
    )
    return judged(with_calibration(shape, settings), _workload(settings), objective)


@lru_cache(maxsize=4096)
def judged(shape: Shape, workload: Workload, objective: Objective) -> Fit:
    """Each shape once, however many models are it."""
    sized = evaluate(shape, workload, objective=objective)
    at_once, capacity = workload.concurrency, 0.0
    if sized.performance is not None and not sized.rejections:
        at_once = min(at_once, largest_batch(shape, workload, sized.memory, objective, ROOFLINE))
        full = ROOFLINE.estimate(shape, replace(workload, concurrency=at_once, saturated=True), sized.memory)
        capacity = full.output_tokens_per_second / workload.output_tokens
    return Fit(sized=sized, objective=objective, at_once=at_once, capacity=capacity)


@lru_cache(maxsize=4096)
def _curve(shape: Shape, workload: Workload, held: Memory) -> tuple[LoadPoint, ...]:
    """Speed over load, from one request at once to twice as many as are to run."""
    loads = dict.fromkeys(max(1, round(share * workload.concurrency)) for share in LOADS)
    found = {load: ROOFLINE.estimate(shape, replace(workload, concurrency=load), held) for load in loads}
    return tuple(
        LoadPoint(
            concurrent_requests=load,
            output_tokens_per_second=round(speed.output_tokens_per_second, 1),
            time_per_output_token_ms=round(speed.time_per_output_token_ms, 1),
            time_to_first_token_ms_low=round(speed.time_to_first_token_ms_low),
            time_to_first_token_ms_high=round(speed.time_to_first_token_ms_high),
        )
        for load, speed in found.items()
    )


def kv_cache_gib(shape: Shape, held: Memory, concurrent_requests: int) -> float:
    """What the KV cache takes: all that is left, but llama.cpp takes whole contexts for as many as run at once."""
    if shape.engine != LLAMA_CPP or not held.full_context_requests:
        return max(0.0, held.kv_pool_gib)
    return held.kv_pool_gib / held.full_context_requests * concurrent_requests


def _shape(settings: ModelSettings) -> Shape | str | None:
    wanted, able = settings.accelerator, ENGINES[settings.engine.kind].capabilities
    engine = able.sized_as or settings.engine.kind
    if wanted is None:
        return None
    if engine not in sizing.ENGINES:
        return f"nothing is known of the engine `{engine}`'s memory"
    if settings.task != "generate":
        return "only models that generate have figures"
    weights = settings.source
    repo, file = getattr(weights, "repo", None), getattr(weights, "file", None)
    if repo is None:
        return f"a source of kind `{weights.kind}` does not say which model it is"
    model = find_model(repo)
    if model is None:
        near = nearest(repo, models())
        return f"`{repo}` is not in the catalogue (`infra/catalog/models.csv`)" + (
            f"; near is `{near}`" if near else ""
        )
    precision = _precision(settings, model, repo, file)
    if isinstance(precision, str):
        return precision
    split = "tensor" in able.parallel
    if wanted.count > 1 and not split:
        return f"`{engine}` spreads layers over several GPUs, which was never measured"
    kv_dtype = settings.kv_dtype or ("fp32" if precision.name == "fp32" else "auto")
    percent = getattr(settings.engine, _MEMORY_PERCENT.get(engine, ""), None)
    return Shape(
        model=model,
        gpu=gpus()[wanted.type],
        engine=engine,
        precision=precision,
        kv_dtype=kv_dtype_or_default(kv_dtype, engine, precision.compute),
        max_model_len=settings.context_tokens,
        gpu_count=wanted.count * wanted.nodes,
        tensor_parallel=wanted.count,
        pipeline_parallel=wanted.nodes,
        memory_fraction=percent / 100 if percent else None,
        max_num_seqs=settings.concurrent_requests,
        batched_tokens=getattr(settings.engine, "prefill_batch_tokens", None),
    )


def _precision(settings: ModelSettings, model: Model, repo: str, file: str | None) -> Precision | str:
    """How the weights are once they are loaded."""
    stored = stored_precision(settings.engine.kind, model, repo, file)
    if isinstance(stored, str) or stored.gguf:
        return stored
    if stored.bytes_per_parameter < 2:
        return stored
    if settings.quantization is not None:
        return PRECISIONS.get(settings.quantization) or f"`quantization: {settings.quantization}` has no figures"
    return PRECISIONS[_DTYPES[settings.precision]] if settings.precision else stored


def _workload(settings: ModelSettings) -> Workload:
    context, wanted = settings.context_tokens, settings.objective
    most = int(context * MOST_INPUT_SHARE)
    input_tokens = wanted.input_tokens if wanted else min(INPUT_TOKENS, most)
    output_tokens = wanted.output_tokens if wanted else min(OUTPUT_TOKENS, context - most)
    return Workload(input_tokens=input_tokens, output_tokens=output_tokens, concurrency=settings.concurrent_requests)
