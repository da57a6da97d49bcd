"""The arithmetic of speed: a roofline of streaming, computing and communicating, with measured efficiencies.

One decode step streams the weights and the KV cache of every running request, or computes if that takes longer; on
top come launches per layer, the exchanges of tensor and expert parallelism, and the engine's own work per request.
Prefill of new requests interrupts the others. The constants are fitted by `bench/sizing/fit.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra.sizing.constants import Constants
from infra.sizing.kv_cache import kv_bytes_per_request
from infra.sizing.precision import compute_tflops
from infra.sizing.types import Shape, Workload
from infra.sizing.weights import dense_bytes_per_parameter, embedding_bytes_per_parameter

# Links inside one machine where the table has none: PCIe 4 x16.
_SLOWEST_LINK_GB_S = 32
# MLA computes attention at 192 + 128 wide heads, whatever the cached latent is.
_MLA_HEAD_DIM = 160
_BLACKWELL = 100


@dataclass(frozen=True, kw_only=True)
class Times:
    """What the parts of one step and of one prefill take, in milliseconds."""

    weights_ms: float
    kv_ms: float
    compute_ms: float
    overhead_ms: float
    communication_ms: float
    step_ms: float
    prefill_ms: float
    time_per_output_token_ms: float
    time_to_first_token_ms: float


def times(shape: Shape, workload: Workload, batch: float, c: Constants) -> Times:
    """`batch` requests run at once on this replica, over all its data-parallel ranks."""
    here = batch / shape.data_parallel
    weights = _weights_ms(shape, batch, c)
    kv = here * kv_bytes_per_request(shape, workload.live_tokens) / (_bandwidth(shape) * c.kv_stream)
    compute = 2 * _active_parameters(shape) * batch / _flops(shape, c) / shape.data_parallel
    overhead = _overhead_ms(shape, here, c)
    communication = _communication_ms(shape, here, c)
    step = max(weights + kv, compute) + overhead + communication
    prefill = _prefill_ms(shape, workload.input_tokens, c)
    others = max(0.0, here - 1)
    return Times(
        weights_ms=weights,
        kv_ms=kv,
        compute_ms=compute,
        overhead_ms=overhead,
        communication_ms=communication,
        step_ms=step,
        prefill_ms=prefill,
        time_per_output_token_ms=step + c.interference * others * prefill / max(1, workload.output_tokens),
        time_to_first_token_ms=step + c.first_token_ms + prefill * (1 + c.queue_share * others),
    )


def _weights_ms(shape: Shape, batch: float, c: Constants) -> float:
    """Streams every dense weight, and every expert that some request of the batch is routed to."""
    model, precision = shape.model, shape.precision
    # The input embedding is looked up, not streamed; the head is streamed.
    head = model.vocabulary * model.hidden * embedding_bytes_per_parameter(precision)
    width = dense_bytes_per_parameter(precision)
    linear = model.dense_parameters if model.experts else model.parameters_total_b * 1e9
    dense = ((linear - model.embedding_parameters) * width + head) / shape.tensor_parallel
    result = dense / (c.weight_stream * c.narrow_stream ** _halvings(width))
    if model.experts and model.experts_per_token:
        drawn = max(1.0, batch) ** c.routing_spread
        touched = model.experts * (1 - (1 - model.experts_per_token / model.experts) ** drawn)
        width = precision.bytes_per_parameter
        spread = shape.tensor_parallel * (shape.data_parallel if shape.expert_parallel else 1)
        experts = touched * model.expert_parameters * width / spread
        result += experts / (c.expert_stream * c.narrow_stream ** _halvings(width))
    return result / _bandwidth(shape)


def _overhead_ms(shape: Shape, batch: float, c: Constants) -> float:
    per_layer = c.metal_layer_us if shape.gpu.backend == "metal" else c.layer_us
    if shape.model.experts:
        fused = (shape.gpu.compute_capability or 0) >= _BLACKWELL
        per_layer += c.expert_layer_us * (c.fused_experts if fused else 1.0)
    return c.step_ms + (shape.model.layers * per_layer + batch * c.sequence_us) / 1e3


def _communication_ms(shape: Shape, tokens: float, c: Constants) -> float:
    """Two all-reduces per layer over tensor-parallel ranks, two exchanges over expert-parallel ones, in 16 bits."""
    model, split, ranks = shape.model, shape.tensor_parallel, shape.data_parallel
    exchanges = moved = 0.0
    if split > 1:
        exchanges, moved = 2.0, 2 * (split - 1) / split * tokens
    if shape.expert_parallel and ranks > 1 and model.experts_per_token:
        # Every token goes to the ranks of its experts and comes back.
        exchanges, moved = exchanges + 2, moved + tokens * min(model.experts_per_token, ranks - 1)
    link = (shape.gpu.link_gb_s or _SLOWEST_LINK_GB_S) * 1e6 * c.link_share
    return model.layers * exchanges * (c.all_reduce_us / 1e3 + moved * model.hidden * 2 / link)


def _prefill_ms(shape: Shape, tokens: int, c: Constants) -> float:
    """One prompt: its products, its attention (half of the square; sliding layers see their window), its exchanges."""
    model = shape.model
    if tokens <= 0:
        return 0.0
    linear = 2 * _active_parameters(shape) * tokens / _flops(shape, c)
    window = min(tokens, model.sliding_window or tokens)
    pairs = model.full_attention_layers * tokens**2 / 2 + model.sliding_layers * tokens * window
    width = model.heads * (_MLA_HEAD_DIM if model.attention == "MLA" else model.head_dim)
    attention = 4 * pairs * width / (shape.gpu.tflops_16bit * 1e9 * shape.tensor_parallel * c.attention_compute)
    return linear + attention + _communication_ms(shape, tokens, c)


def _active_parameters(shape: Shape) -> float:
    """Parameters that multiply: without the input embedding's copy, which is looked up."""
    model = shape.model
    return model.parameters_active_b * 1e9 - (0 if model.tied_embeddings else model.vocabulary * model.hidden)


def _flops(shape: Shape, c: Constants) -> float:
    """FLOP per millisecond of one tensor-parallel group, as reached."""
    reached = c.expert_compute if shape.model.experts else c.prefill_compute
    return compute_tflops(shape.gpu, shape.precision) * 1e9 * shape.tensor_parallel * reached


def _bandwidth(shape: Shape) -> float:
    """Bytes per millisecond of one GPU, by the datasheet."""
    return shape.gpu.bandwidth_gb_s * 1e6


def _halvings(width: float) -> float:
    """How often a format is narrower than 16 bits by half."""
    return math.log2(max(1.0, 2 / width))
