"""Short ways to name a shape, a workload and measured figures in the sizing tests."""

from __future__ import annotations

from typing import Any

from infra.catalog.gpus import find_gpu
from infra.catalog.models import find_model
from infra.sizing.constants import Constants
from infra.sizing.precision import find_precision
from infra.sizing.types import LLAMA_CPP, Shape, Workload

WORKLOAD = Workload(input_tokens=1024, output_tokens=256, concurrency=16)

# The published formula of the worked examples (92 rows, 2026): one efficiency for each of weights, KV and products,
# 1.9 ms and 60 µs per layer; every other cause at its neutral value.
PUBLISHED = Constants(
    weight_stream=0.92,
    expert_stream=0.75,
    kv_stream=0.38,
    narrow_stream=1.0,
    routing_spread=1.0,
    prefill_compute=0.63,
    expert_compute=0.22,
    attention_compute=0.63,
    step_ms=1.9,
    layer_us=60.0,
    metal_layer_us=60.0,
    expert_layer_us=0.0,
    fused_experts=1.0,
    sequence_us=0.0,
    all_reduce_us=0.0,
    link_share=1.0,
    interference=1.0,
    first_token_ms=0.0,
    queue_share=0.0,
)


def shape(model: str, gpu: str, precision: str = "bf16", split: int = 1, **more: Any) -> Shape:
    """`model` on `split` GPUs, vLLM as pinned, 8192 tokens of context, 16-bit KV unless told otherwise."""
    found, card = find_model(model), find_gpu(gpu)
    assert found is not None, model
    assert card is not None, gpu
    stored = find_precision(precision, found, gguf=more.get("engine") == LLAMA_CPP)
    assert stored is not None, precision
    values: dict[str, Any] = {
        "engine": "vllm",
        "kv_dtype": "bf16",
        "max_model_len": 8192,
        "gpu_count": split,
        "tensor_parallel": split,
        **more,
    }
    return Shape(model=found, gpu=card, precision=stored, **values)
