"""Number formats of weights and of the KV cache: bytes per parameter, what computes in them, who can load them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra.catalog.gpus import Gpu
from infra.catalog.models import Model


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How weights are stored. `bytes_per_parameter` is of linear layers; embeddings stay 16-bit unless `whole`, where
    the figure is an average over all tensors (GGUF). `experts_only`: the rest of a mixture stays 16-bit.

    `compute` is the format in which matrix products run: `16bit`, `fp8`, `fp4` or `int8`.
    """

    name: str
    bytes_per_parameter: float
    compute: str = "16bit"
    gguf: bool = False
    experts_only: bool = False
    needs_capability: int = 0


# Bits per weight of GGUF types: llama.cpp tools/quantize/README.md, Llama-3.1-8B, all tensors included (read 2026-10).
# The types without a row there are nominal bits of the format plus what the mixed ones above add.
_GGUF_BITS = {
    "f32": 32.0, "f16": 16.0, "bf16": 16.0, "q8_0": 8.50, "q6_k": 6.56, "q5_k_m": 5.70, "q5_k_s": 5.57, "q5_1": 6.0,
    "q5_0": 5.54, "q4_k_m": 4.89, "q4_k_s": 4.67, "q4_1": 5.1, "q4_0": 4.65, "iq4_nl": 4.68, "iq4_xs": 4.46,
    "q3_k_l": 4.30, "q3_k_m": 4.00, "q3_k_s": 3.64, "iq3_m": 3.76, "iq3_s": 3.66, "iq3_xs": 3.50, "iq3_xxs": 3.25,
    "q2_k": 3.16, "q2_k_s": 2.97, "iq2_m": 2.93, "iq2_s": 2.74, "iq2_xs": 2.59, "iq2_xxs": 2.38, "iq1_m": 2.15,
    "iq1_s": 2.0, "tq2_0": 2.06, "tq1_0": 1.69,
}  # fmt: skip

PRECISIONS: Mapping[str, Precision] = {
    precision.name: precision
    for precision in (
        Precision(name="fp32", bytes_per_parameter=4),
        Precision(name="bf16", bytes_per_parameter=2, needs_capability=80),
        Precision(name="fp16", bytes_per_parameter=2),
        Precision(name="fp8", bytes_per_parameter=1, compute="fp8", needs_capability=80),
        Precision(name="int8", bytes_per_parameter=1, compute="int8", needs_capability=75),
        Precision(name="awq", bytes_per_parameter=0.53, needs_capability=80),
        Precision(name="gptq", bytes_per_parameter=0.53, needs_capability=80),
        Precision(name="nvfp4", bytes_per_parameter=0.5625, compute="fp4", needs_capability=100),
        Precision(name="mxfp4", bytes_per_parameter=0.531, experts_only=True, needs_capability=80),
        *(Precision(name=f"gguf-{kind}", bytes_per_parameter=b / 8, gguf=True) for kind, b in _GGUF_BITS.items()),
        Precision(name="gguf-mxfp4", bytes_per_parameter=0.531, gguf=True, experts_only=True),
    )
}

KV_BYTES: Mapping[str, float] = {
    "bf16": 2, "fp16": 2, "fp32": 4, "fp8": 1, "int8": 1, "q8_0": 1.0625, "q5_1": 0.75, "q5_0": 0.6875, "q4_1": 0.625,
    "q4_0": 0.5625,
}  # fmt: skip

# How people and checkpoints write them.
_SPELLINGS = {
    "float32": "fp32", "f32": "fp32", "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "f16": "fp16",
    "fp8_block": "fp8", "fp8_e4m3": "fp8", "w8a8": "int8", "awq-int4": "awq", "gptq-int4": "gptq", "int4": "awq",
    "w4a16": "gptq", "fp4": "nvfp4",
}  # fmt: skip


def find_precision(written: str, model: Model | None = None, gguf: bool = False) -> Precision | None:
    """The precision that was meant. A model published only in MXFP4 is MXFP4, whatever the activations are called;
    `gguf` says that the file is a GGUF, where `f16` is another thing than a half-precision checkpoint."""
    name = re.split(r"[\s(]", written.strip().lower())[0]
    if model and model.native_precision == "mxfp4" and name in ("fp4", "fp8", "mxfp4", "nvfp4"):
        name = "mxfp4"
    if gguf or (name in _GGUF_BITS and name not in _SPELLINGS and name != "bf16"):
        gguf_name = "gguf-" + {"fp16": "f16", "fp32": "f32"}.get(name, name)
        return PRECISIONS.get(gguf_name)
    name = _SPELLINGS.get(name, name)
    return PRECISIONS.get(name)


def compute_tflops(gpu: Gpu, precision: Precision) -> float:
    """Dense TFLOP/s of one GPU in the format that products run in; the 16-bit rate where it has no faster one."""
    compute = precision.compute
    if precision.name == "mxfp4" and (gpu.compute_capability or 0) >= 100:
        # Blackwell multiplies MXFP4 weights with 8-bit activations; older cards unpack them to 16 bits.
        compute = "fp8"
    return _faster(gpu, compute) or gpu.tflops_16bit


def computes_in(gpu: Gpu, precision: Precision) -> bool:
    """Whether an NVIDIA GPU has the format in its hardware, and not only room for weights of it."""
    able = precision.compute == "16bit" or _faster(gpu, precision.compute) is not None
    return able and (gpu.compute_capability or 0) >= precision.needs_capability


def _faster(gpu: Gpu, compute: str) -> float | None:
    """Its rate in a format below 16 bits; None where it has none."""
    return {"fp8": gpu.tflops_fp8, "fp4": gpu.tflops_fp4, "int8": gpu.tops_int8}.get(compute)
