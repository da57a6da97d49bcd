"""The KV pool as each engine computes it: what is left of the memory it takes after weights and working buffers."""

from __future__ import annotations

import math

from infra.sizing.kv_cache import kv_bytes_per_request, kv_bytes_per_token, pool_tokens
from infra.sizing.types import GIB, LLAMA_CPP, SGLANG, TENSORRT_LLM, VLLM, Memory, Shape, Workload
from infra.sizing.weights import weights_gib

# GiB at 8192 batched tokens (llm-d-planner, vLLM 0.19, H100, 2026), and as vLLM 0.11 used it where that was read.
_ACTIVATION_GIB = {
    "llama": 1.9, "qwen2": 2.2, "qwen3": 2.2, "mistral": 2.1, "mistral3": 2.1, "qwen3_moe": 2.7, "gpt_oss": 2.9,
    "gemma2": 3.9, "gemma3": 3.9, "granite": 0.85, "phi3": 1.5,
}  # fmt: skip
_ACTIVATION_GIB_VLLM_0_11 = {"llama": 4.84, "qwen2": 5.64, "qwen3": 5.64, "mistral3": 2.12, "gpt_oss": 7.38}
_ACTIVATION_GIB_UNKNOWN = 2.7
# Two anchors only (2.21 GiB at 8192 tokens, 1.04 at 2048): a constant part and one that grows with the batch.
_ACTIVATION_FIXED, _ACTIVATION_PER_BATCH = 0.29, 0.71
_ACTIVATION_BATCH = 8192

_NON_TORCH_ONE, _NON_TORCH_TENSOR_PARALLEL, _NON_TORCH_PIPELINE = 0.27, 2.1, 0.07
_NON_TORCH_TENSOR_PARALLEL_VLLM_0_11 = 0.55
_GRAPHS_GIB = 0.5
# Of all memory on vLLM (0.33.0, and before it); of what is free after load on TensorRT-LLM.
_VLLM_FRACTION, _VLLM_FRACTION_BEFORE, _FREE_FRACTION = 0.92, 0.90, 0.9
# llama.cpp refuses nothing by itself with `--fit off`; this is what must stay free on each device.
_LLAMA_CPP_SPARE_GIB = 1.0
_LLAMA_CPP_MICRO_BATCH = 512

# SGLang 0.5.23 server_args: total GiB below which a row holds, chunk, graph batch at TP < 4 and >= 4, buckets.
_SGLANG_DEFAULTS = (
    (20, 2048, 8, 8, 42),
    (35, 4096, 48, 160, 50),
    (60, 4096, 32, 160, 50),
    (90, 8192, 256, 512, 58),
    (160, 8192, 256, 512, 58),
    (math.inf, 16384, 512, 512, 74),
)


def memory(shape: Shape, workload: Workload) -> Memory:
    """Where one rank's memory goes, and how many requests of `workload` the rest holds."""
    weights = weights_gib(shape)
    activation, non_torch, graphs = _activation_gib(shape), _non_torch_gib(shape), _graphs_gib(shape)
    budget = _budget_gib(shape)
    if shape.engine == SGLANG:
        # Its fraction already leaves room for activations and graphs.
        activation = non_torch = graphs = 0.0
    if shape.engine == TENSORRT_LLM:
        budget, graphs = shape.physical_gib, 0.0
    if shape.engine == LLAMA_CPP:
        non_torch, graphs = _LLAMA_CPP_SPARE_GIB, 0.0
        activation = 0.25 + _LLAMA_CPP_MICRO_BATCH * shape.model.vocabulary * 4 / GIB
    pool = budget - weights - activation - non_torch - graphs
    if shape.engine == TENSORRT_LLM:
        pool *= shape.memory_fraction or _FREE_FRACTION
    in_flight = max_batched_tokens(shape)
    tokens = pool_tokens(shape, pool * GIB, in_flight)
    full = kv_bytes_per_request(shape, shape.max_model_len, in_flight)
    mean = kv_bytes_per_request(shape, workload.live_tokens)
    held = (
        math.floor(pool * GIB / mean)
        if shape.model.sliding_layers
        else tokens // max(1, math.ceil(workload.live_tokens))
    )
    return Memory(
        budget_gib=budget,
        weights_gib=weights,
        activation_gib=activation,
        non_torch_gib=non_torch,
        graphs_gib=graphs,
        kv_pool_gib=pool,
        kv_bytes_per_token=kv_bytes_per_token(shape),
        kv_pool_tokens=tokens,
        full_context_requests=max(0.0, pool * GIB / full),
        max_batch=max(0, min(held, max_sequences(shape))),
    )


def max_batched_tokens(shape: Shape) -> int:
    """Tokens in one engine step: the engine's default for this card, or a whole prompt where prefill is not chunked."""
    chosen = shape.batched_tokens or _batch_defaults(shape)[0]
    return chosen if shape.chunked_prefill else max(chosen, shape.max_model_len)


def max_sequences(shape: Shape) -> int:
    """Requests that run at once, by the engine's default for this card."""
    return shape.max_num_seqs or _batch_defaults(shape)[1]


def engine_options(shape: Shape) -> dict[str, int | float | str]:
    """What was assumed of the engine, by concept: emitted, so that another version's defaults change nothing."""
    options: dict[str, int | float | str] = {
        "tensor_parallel": shape.tensor_parallel,
        "pipeline_parallel": shape.pipeline_parallel,
        "context_tokens": shape.max_model_len,
        "kv_dtype": shape.kv_dtype,
        "max_sequences": max_sequences(shape),
        "max_batched_tokens": max_batched_tokens(shape),
    }
    if shape.engine == SGLANG:
        options["memory_fraction"] = shape.memory_fraction or sglang_fraction(shape)
    elif shape.engine != LLAMA_CPP:
        options["memory_fraction"] = shape.memory_fraction or (
            _VLLM_FRACTION if shape.engine == VLLM else _FREE_FRACTION
        )
    return options


def _batch_defaults(shape: Shape) -> tuple[int, int]:
    """vLLM 0.33.0's defaults; the others are close enough for planning and are emitted explicitly anyway."""
    gib = shape.physical_gib
    if shape.engine == SGLANG:
        return _sglang_defaults(shape)[1], 4096
    if gib >= 160:
        return 16384, 1024
    if gib >= 70 and not shape.gpu.gpu.startswith(("A100", "DGX-Spark")):
        return 8192, 1024
    return 2048, 256


def _budget_gib(shape: Shape) -> float:
    if shape.engine == VLLM:
        old = shape.engine_version is not None and shape.engine_version < (0, 33)
        return (shape.memory_fraction or (_VLLM_FRACTION_BEFORE if old else _VLLM_FRACTION)) * shape.physical_gib
    if shape.engine == SGLANG:
        return (shape.memory_fraction or sglang_fraction(shape)) * shape.physical_gib
    return shape.physical_gib


def sglang_fraction(shape: Shape) -> float:
    """SGLang's own `mem_fraction_static` when none is set (0.5.23)."""
    total_gib = shape.gpu.total_gib
    _, chunk, few, many, buckets = _sglang_defaults(shape)
    graph_batch = few if shape.tensor_parallel < 4 else many
    reserved = 512 + 1.5 * max(chunk, 2048) + 128 * shape.tensor_parallel * shape.pipeline_parallel + 2 * graph_batch
    reserved += 1536 if shape.model.attention == "MLA" else 8 * buckets
    return round(1 - reserved / (total_gib * 1024), 3)


def _sglang_defaults(shape: Shape) -> tuple[float, int, int, int, int]:
    return next(row for row in _SGLANG_DEFAULTS if shape.gpu.total_gib < row[0])


def _activation_gib(shape: Shape) -> float:
    family = shape.model.family
    known = _ACTIVATION_GIB.get(family, _ACTIVATION_GIB_UNKNOWN)
    if _is_vllm_before(shape, (0, 12)) and not _is_vllm_before(shape, (0, 8)):
        known = _ACTIVATION_GIB_VLLM_0_11.get(family, known)
    return known * (_ACTIVATION_FIXED + _ACTIVATION_PER_BATCH * max_batched_tokens(shape) / _ACTIVATION_BATCH)


def _non_torch_gib(shape: Shape) -> float:
    if shape.tensor_parallel > 1:
        old = _is_vllm_before(shape, (0, 12))
        return _NON_TORCH_TENSOR_PARALLEL_VLLM_0_11 if old else _NON_TORCH_TENSOR_PARALLEL
    return _NON_TORCH_PIPELINE if shape.pipeline_parallel > 1 else _NON_TORCH_ONE


def _graphs_gib(shape: Shape) -> float:
    # Taken from the pool by default since 0.21; seen 0.2 to 1.9 GiB.
    return 0.0 if _is_vllm_before(shape, (0, 21)) else _GRAPHS_GIB


def _is_vllm_before(shape: Shape, version: tuple[int, int]) -> bool:
    return shape.engine == VLLM and shape.engine_version is not None and shape.engine_version < version
