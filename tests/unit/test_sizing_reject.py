"""Shapes that must not be answers, each with the code and the numbers that say why."""

from __future__ import annotations

from typing import Any

import pytest

from infra.catalog.gpus import gpus
from infra.sizing.evaluate import evaluate
from infra.sizing.types import LLAMA_CPP, Objective
from tests.unit.sizing_shapes import WORKLOAD, shape

REJECTED: list[tuple[str, str, str, dict[str, Any], str, str]] = [
    # 14.96 against 13.40 usable; and a T4 has no bf16.
    ("Llama-3.1-8B", "T4", "bf16", {}, "weights_do_not_fit", "of 13.40 GiB, weights take 14.96"),
    ("Llama-3.1-8B", "T4", "bf16", {}, "dtype_unsupported", "T4 has 75: use fp16"),
    ("Llama-3.1-8B", "L4", "bf16", {}, "kv_pool_too_thin", "3.65 GiB is below 4.00"),
    ("Qwen3-32B", "L40S", "bf16", {}, "weights_do_not_fit", "weights take 61.02"),
    ("Llama-3.1-70B", "H100", "bf16", {}, "weights_do_not_fit", "weights take 131.41"),
    ("Llama-3.1-70B", "H100", "bf16", {"split": 2}, "kv_pool_too_thin", "2.65 GiB is below 6.34"),
    ("gpt-oss-120b", "H100", "mxfp4", {}, "kv_pool_too_thin", "4.86 GiB is below 6.34"),
    ("DeepSeek-R1", "H100", "fp8", {"split": 8}, "weights_do_not_fit", "weights take 78.33"),
    ("Mixtral-8x7B", "H100", "bf16", {}, "weights_do_not_fit", "weights take 86.99"),
    # vLLM 0.6 on an RTX 3090: a prompt of 29,000 tokens is one step where prefill is not chunked.
    (
        "Llama-3.1-8B",
        "RTX-3090",
        "fp16",
        {"max_model_len": 29_000, "memory_fraction": 0.9, "engine_version": (0, 6), "chunked_prefill": False},
        "kv_pool_too_thin",
        "0.67 GiB is below 4.00",
    ),
    ("Qwen2.5-7B", "H100", "bf16", {"max_model_len": 40_000}, "context_too_long", "was made for 32768"),
    ("Llama-3.1-8B", "A100-40GB", "nvfp4", {}, "dtype_unsupported", "nvfp4 needs compute capability 100"),
    ("Llama-3.1-8B", "T4", "awq", {}, "dtype_unsupported", "awq needs compute capability 80"),
    ("Qwen2.5-7B", "H100", "bf16", {"split": 8}, "tensor_parallel_invalid", "8 does not divide 28 heads"),
    ("Llama-3.1-8B", "H100", "bf16", {"split": 16}, "not_modelled", "over 16 H100 in machines of 8"),
    ("Llama-3.1-8B", "H100", "bf16", {"engine": LLAMA_CPP}, "engine_format_mismatch", ""),
    ("Llama-3.1-8B", "H100", "q4_k_m", {}, "engine_format_mismatch", "vllm does not load a GGUF file"),
    ("Llama-3.1-8B", "Inferentia2", "bf16", {}, "not_modelled", "neuron"),
]


@pytest.mark.parametrize(("model", "gpu", "precision", "more", "code", "says"), REJECTED)
def test_rejected_with_its_code_and_numbers(
    model: str, gpu: str, precision: str, more: dict[str, Any], code: str, says: str
) -> None:
    if code == "engine_format_mismatch" and not says:
        # A checkpoint of safetensors for llama.cpp: named by vLLM's precision.
        one = shape(model, gpu, precision)
        rejections = evaluate(type(one)(**{**vars(one), **more}), WORKLOAD).rejections
    else:
        rejections = evaluate(shape(model, gpu, precision, **more), WORKLOAD).rejections
    assert [known.message for known in rejections if known.code == code and says in known.message], rejections


@pytest.mark.parametrize(
    ("model", "gpu", "precision", "split", "pool"),
    [
        ("Llama-3.1-70B", "H100", "bf16", 4, 35.5),
        ("DeepSeek-R1", "H200", "fp8", 8, 45.0),
        ("Llama-3.1-8B", "L4", "fp8", 1, 10.15),
    ],
)
def test_what_fits_is_not_rejected(model: str, gpu: str, precision: str, split: int, pool: float) -> None:
    found = evaluate(shape(model, gpu, precision, split=split), WORKLOAD)
    assert found.rejections == ()
    assert found.memory.kv_pool_gib == pytest.approx(pool, abs=0.05)


def test_one_full_request_must_fit() -> None:
    # 10.15 GiB of KV hold 83,152 tokens.
    long = evaluate(shape("Llama-3.1-8B", "L4", "fp8", max_model_len=100_000), WORKLOAD)
    assert [known.code for known in long.rejections] == ["context_does_not_fit"]
    assert "holds 83152 tokens, one request may have 100000" in long.rejections[0].message


def test_an_objective_that_one_request_alone_misses() -> None:
    tight = Objective(time_per_output_token_ms=5, time_to_first_token_ms=1)
    found = evaluate(shape("Llama-3.1-8B", "L4", "fp8"), WORKLOAD, objective=tight)
    assert [known.code for known in found.rejections] == ["objective_missed", "objective_missed"]
    assert "5 wanted" in found.rejections[0].message
    wide = Objective(time_per_output_token_ms=500, time_to_first_token_ms=60_000)
    assert evaluate(shape("Llama-3.1-8B", "L4", "fp8"), WORKLOAD, objective=wide).rejections == ()


def test_fp8_on_a_card_without_fp8_is_a_note_not_a_rejection() -> None:
    found = evaluate(shape("Llama-3.1-8B", "A10G", "fp8"), WORKLOAD)
    assert found.rejections == ()
    assert found.notes == ("A10G has no fp8 arithmetic: fp8 saves memory, not time",)


def test_every_card_with_figures_is_answered() -> None:
    for name, gpu in gpus().items():
        found = evaluate(shape("SmolLM2-135M", name, "fp16", max_model_len=2048), WORKLOAD)
        assert (found.performance is None) == (gpu.backend in ("neuron", "tpu")), name
