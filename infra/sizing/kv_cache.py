"""Bytes of KV cache per token and per request on one rank: GQA, MLA, sliding windows, and mixtures of layers."""

from __future__ import annotations

import math

from infra.sizing.precision import KV_BYTES
from infra.sizing.types import LLAMA_CPP, TENSORRT_LLM, Shape

BLOCK_TOKENS = 16


def kv_dtype_or_default(written: str, engine: str, weights_compute: str) -> str:
    """`auto` and nothing: 16-bit, but TensorRT-LLM's fp8 and fp4 checkpoints carry an fp8 KV cache."""
    name = written.strip().lower()
    if name in ("", "auto", "nan"):
        return "fp8" if engine == TENSORRT_LLM and weights_compute in ("fp8", "fp4") else "bf16"
    return {"f16": "fp16", "float16": "fp16", "bfloat16": "bf16", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8"}.get(name, name)


def kv_bytes_per_token(shape: Shape) -> float:
    """Bytes that one more token costs on one rank, in the layers that keep every token."""
    return _layers_on_a_rank(shape, shape.model.full_attention_layers) * _bytes_per_layer(shape)


def window_bytes_per_token(shape: Shape) -> float:
    """The same in the sliding layers, paid only up to the window."""
    return _layers_on_a_rank(shape, shape.model.sliding_layers) * _bytes_per_layer(shape)


def kv_bytes_per_request(shape: Shape, context_tokens: float, in_flight_tokens: int = 0) -> float:
    """Bytes of one request on one rank. Sliding layers hold the window, what is in flight, and one more block."""
    window = shape.model.sliding_window or 0
    kept = min(context_tokens, window - 1 + in_flight_tokens) + BLOCK_TOKENS if shape.model.sliding_layers else 0
    return kv_bytes_per_token(shape) * context_tokens + window_bytes_per_token(shape) * kept


def pool_tokens(shape: Shape, pool_bytes: float, in_flight_tokens: int) -> int:
    """How many tokens a pool holds, as the engine reports it: whole blocks, or for models with sliding layers the
    number of full contexts times their length."""
    if pool_bytes <= 0:
        return 0
    if shape.model.sliding_layers:
        each = kv_bytes_per_request(shape, shape.max_model_len, in_flight_tokens)
        return int(pool_bytes / each * shape.max_model_len)
    block = 1 if shape.engine == LLAMA_CPP else BLOCK_TOKENS
    return math.floor(pool_bytes / (block * kv_bytes_per_token(shape))) * block


def _layers_on_a_rank(shape: Shape, layers: int) -> int:
    return math.ceil(layers / shape.pipeline_parallel)


def _bytes_per_layer(shape: Shape) -> float:
    model, size = shape.model, KV_BYTES[shape.kv_dtype]
    if model.attention == "MLA":
        # The latent has no heads to split: every tensor-parallel rank keeps all of it.
        return ((model.kv_lora_rank or 0) + (model.qk_rope_head_dim or 0)) * size
    return 2 * max(1.0, model.kv_heads / shape.tensor_parallel) * model.head_dim * size
