"""Why a shape is not an answer, with the numbers. Nothing is dropped silently: every broken rule is listed."""

from __future__ import annotations

from collections.abc import Iterator

from infra.sizing.types import LLAMA_CPP, Memory, Objective, Performance, Rejection, Shape

# Below this the pool is the small difference of large estimates: do not trust it (GiB, and share of the card).
_THIN_POOL_GIB, _THIN_POOL_SHARE = 4.0, 0.08
_FP8_NATIVE = 89


def thin_pool_gib(shape: Shape) -> float:
    """The least KV pool that an estimate may end with. llama.cpp allocates up front, so its pool is no estimate."""
    return 0.0 if shape.engine == LLAMA_CPP else max(_THIN_POOL_GIB, _THIN_POOL_SHARE * shape.physical_gib)


def shape_rejections(shape: Shape) -> Iterator[Rejection]:
    """What is wrong before any arithmetic: formats, splits, lengths, hardware without figures."""
    model, gpu, precision = shape.model, shape.gpu, shape.precision
    if gpu.backend in ("neuron", "tpu"):
        yield Rejection(code="not_modelled", message=f"{gpu.gpu}: no figures for {gpu.backend} accelerators")
    together = shape.gpu_count // shape.pipeline_parallel if model.experts else shape.tensor_parallel
    if together > gpu.largest_node:
        yield Rejection(
            code="not_modelled",
            message=f"one model split over {together} {gpu.gpu} in machines of {gpu.largest_node}: "
            "the figures are those of one machine",
        )
    if precision.gguf != (shape.engine == LLAMA_CPP):
        found = "a GGUF file" if precision.gguf else f"{precision.name} safetensors"
        yield Rejection(code="engine_format_mismatch", message=f"{shape.engine} does not load {found}")
    capability = gpu.compute_capability
    if capability is not None and not precision.gguf and capability < precision.needs_capability:
        instead = ": use fp16" if precision.name == "bf16" else ""
        yield Rejection(
            code="dtype_unsupported",
            message=f"{precision.name} needs compute capability {precision.needs_capability}, "
            f"{gpu.gpu} has {capability}{instead}",
        )
    split = shape.tensor_parallel
    kv_heads = model.kv_heads if model.attention != "MLA" else split
    if model.heads % split or (kv_heads % split and split % kv_heads):
        yield Rejection(
            code="tensor_parallel_invalid",
            message=f"tensor parallel {split} does not divide {model.heads} heads and {model.kv_heads} KV heads",
        )
    if shape.max_model_len > model.max_context:
        yield Rejection(
            code="context_too_long",
            message=f"{shape.max_model_len} tokens asked, {model.model} was made for {model.max_context}",
        )


def memory_rejections(shape: Shape, memory: Memory) -> Iterator[Rejection]:
    """What does not fit. At most one of the pool's rules: the first that is broken says it best."""
    pool, least = memory.kv_pool_gib, thin_pool_gib(shape)
    taken = f"of {memory.budget_gib:.2f} GiB, weights take {memory.weights_gib:.2f}"
    if pool <= 0:
        rest = memory.activation_gib + memory.non_torch_gib + memory.graphs_gib
        yield Rejection(code="weights_do_not_fit", message=f"{taken} and buffers {rest:.2f}: nothing is left for KV")
    elif pool < least:
        message = f"{taken}; the KV pool of {pool:.2f} GiB is below {least:.2f}, where no estimate is to be trusted"
        yield Rejection(code="kv_pool_too_thin", message=message)
    elif memory.full_context_requests < 1:
        message = f"the KV pool of {pool:.2f} GiB holds {memory.kv_pool_tokens} tokens, one request may have "
        yield Rejection(code="context_does_not_fit", message=f"{message}{shape.max_model_len}")


def speed_rejections(objective: Objective, alone: Performance) -> Iterator[Rejection]:
    """The objective missed even by one request alone."""
    wanted, found = objective.time_per_output_token_ms, alone.time_per_output_token_ms
    if wanted is not None and found > wanted:
        message = f"{found:.1f} ms per output token at concurrency 1, {wanted:g} wanted"
        yield Rejection(code="objective_missed", message=message)
    wanted, found = objective.time_to_first_token_ms, alone.time_to_first_token_ms_low
    if wanted is not None and found > wanted:
        message = f"at best {found:.0f} ms to the first token at concurrency 1, {wanted:g} wanted"
        yield Rejection(code="objective_missed", message=message)


def notes(shape: Shape) -> Iterator[str]:
    """What is allowed and should be known."""
    capability = shape.gpu.compute_capability or 0
    if shape.precision.compute == "fp8" and 0 < capability < _FP8_NATIVE:
        yield f"{shape.gpu.gpu} has no fp8 arithmetic: fp8 saves memory, not time"
