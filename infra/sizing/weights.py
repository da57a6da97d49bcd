"""Bytes of weights on the fullest rank: all parameters, as stored, split by tensor, pipeline and expert parallelism."""

from __future__ import annotations

from infra.catalog.models import Model
from infra.sizing.precision import Precision
from infra.sizing.types import GIB, VLLM, Shape

# gpt-oss-120b in vLLM: 60.71 GiB computed, 64.38 loaded (padding of MXFP4 experts; llm-d-planner, vLLM 0.11).
_MXFP4_PADDING_VLLM = 1.06


def weights_gib(shape: Shape) -> float:
    """GiB of weights on the heaviest rank."""
    if shape.weights_bytes:
        return shape.weights_bytes / (shape.tensor_parallel * shape.pipeline_parallel) / GIB
    model, precision = shape.model, shape.precision
    stages, split = shape.pipeline_parallel, shape.tensor_parallel
    total = dense_bytes(model, precision)
    experts = expert_bytes(model, precision)
    if stages > 1:
        # Embedding is on the first stage, head on the last: neither has both.
        embedding = _embedding_bytes(model, precision)
        total = (total - embedding) / stages + _one_embedding_bytes(model, precision)
        experts /= stages
    # Data-parallel ranks repeat the dense part; experts are spread over all of them when expert parallel.
    over = split * (shape.data_parallel if shape.expert_parallel else 1)
    padding = _MXFP4_PADDING_VLLM if precision.name == "mxfp4" and shape.engine == VLLM else 1.0
    return (total / split + experts / over) * padding / GIB


def dense_bytes(model: Model, precision: Precision) -> float:
    """Everything that every token uses, embeddings included."""
    embedding = model.embedding_parameters
    parameters = (model.dense_parameters if model.experts else model.parameters_total_b * 1e9) - embedding
    parameters += (model.vision_tower_b or 0) * 1e9
    return parameters * dense_bytes_per_parameter(precision) + _embedding_bytes(model, precision)


def expert_bytes(model: Model, precision: Precision) -> float:
    """All experts of a mixture; 0 for dense models."""
    return (model.experts or 0) * model.expert_parameters * precision.bytes_per_parameter


def dense_bytes_per_parameter(precision: Precision) -> float:
    """Bytes of a linear layer outside experts."""
    if precision.experts_only:
        # The rest is 16-bit in a checkpoint and Q8_0 in the published GGUF.
        return 1.0625 if precision.gguf else 2.0
    return precision.bytes_per_parameter


def embedding_bytes_per_parameter(precision: Precision) -> float:
    """Quantized checkpoints keep embedding and head 16-bit; a GGUF average has them in already."""
    stored = dense_bytes_per_parameter(precision)
    return stored if precision.gguf else max(stored, 2.0)


def _embedding_bytes(model: Model, precision: Precision) -> float:
    return model.embedding_parameters * embedding_bytes_per_parameter(precision)


def _one_embedding_bytes(model: Model, precision: Precision) -> float:
    return model.vocabulary * model.hidden * embedding_bytes_per_parameter(precision)
