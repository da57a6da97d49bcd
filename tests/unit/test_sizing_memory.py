"""Memory of a shape against what engines reported and against examples that were worked by hand."""

from __future__ import annotations

import pytest

from infra.sizing.kv_cache import kv_bytes_per_request, kv_bytes_per_token, kv_dtype_or_default, pool_tokens
from infra.sizing.pool import memory, sglang_fraction
from infra.sizing.types import GIB, LLAMA_CPP, SGLANG, TENSORRT_LLM, VLLM
from infra.sizing.weights import weights_gib
from tests.unit.sizing_shapes import WORKLOAD, shape

# Loaded GiB per rank as vLLM 0.19 logged them (llm-d-planner accuracy report, H100); the last as an RTX 4080 did.
LOADED = [
    ("Llama-3.1-8B", "bf16", {}, 14.99),
    ("Llama-3.1-8B", "fp8", {}, 8.49),
    ("Llama-3.1-8B", "fp32", {}, 29.98),
    ("Llama-3.1-8B", "bf16", {"split": 2}, 7.51),
    ("Llama-3.1-8B", "bf16", {"gpu_count": 2, "pipeline_parallel": 2}, 7.51),
    ("Llama-3.1-8B", "bf16", {"split": 4}, 3.77),
    ("Qwen2.5-7B", "bf16", {}, 14.25),
    ("Qwen3-32B", "bf16", {}, 61.03),
    ("Llama-3.3-70B", "fp8", {"split": 2}, 33.88),
    ("gpt-oss-120b", "mxfp4", {}, 64.38),
    ("Mistral-Small-3.2-24B", "bf16", {}, 44.76),
    ("Qwen2.5-7B", "awq", {}, 5.29),
]


@pytest.mark.parametrize(("model", "precision", "more", "loaded"), LOADED)
def test_weights_are_what_an_engine_loads(model: str, precision: str, more: dict[str, int], loaded: float) -> None:
    assert weights_gib(shape(model, "H100", precision, **more)) == pytest.approx(loaded, rel=0.01)


@pytest.mark.parametrize(
    ("precision", "gib"),
    # 8.03e9 x bits / 8 with llama.cpp's own table of bits per weight.
    [("q4_k_m", 4.57), ("q8_0", 7.95), ("f16", 14.96), ("q2_k", 2.95), ("iq4_xs", 4.17)],
)
def test_a_gguf_is_its_bits(precision: str, gib: float) -> None:
    assert weights_gib(shape("Llama-3.1-8B", "L40S", precision, engine=LLAMA_CPP)) == pytest.approx(gib, abs=0.01)


def test_nvfp4_keeps_the_embeddings_16_bit() -> None:
    # (70.552 - 2.101) x 0.5625 + 2.101 x 2, in 1e9 bytes.
    assert weights_gib(shape("Llama-3.1-70B", "B200", "nvfp4")) == pytest.approx(42.706e9 / GIB, rel=1e-3)


def test_experts_are_spread_over_data_parallel_ranks_and_the_rest_is_repeated() -> None:
    one = weights_gib(shape("DeepSeek-R1", "H200", "fp8", split=8))
    ranks = shape("DeepSeek-R1", "H200", "fp8", gpu_count=8, tensor_parallel=1, expert_parallel=True)
    assert one == pytest.approx(78.3, abs=0.05)
    # The dense 17 GB is on each rank instead of an eighth of it.
    assert weights_gib(ranks) - one == pytest.approx(ranks.model.dense_parameters * 7 / 8 / GIB, rel=0.12)


@pytest.mark.parametrize(
    ("model", "split", "kv_dtype", "per_token"),
    [
        ("Llama-3.1-8B", 1, "bf16", 131_072),  # 32 layers x 2 x 8 heads x 128 x 2 bytes
        ("Llama-3.1-8B", 2, "fp8", 32_768),
        ("Qwen3-235B-A22B", 8, "bf16", 48_128),  # 4 KV heads over 8 GPUs: one each, repeated
        ("DeepSeek-R1", 8, "bf16", 70_272),  # 61 x (512 + 64) x 2: the latent is not split
        ("SmolLM2-1.7B", 1, "bf16", 196_608),  # multi-head: 32 KV heads
        ("gpt-oss-120b", 1, "bf16", 36_864),  # 18 full layers; the other 18 keep 128 tokens
    ],
)
def test_kv_per_token(model: str, split: int, kv_dtype: str, per_token: int) -> None:
    assert kv_bytes_per_token(shape(model, "H200", "fp8", split=split, kv_dtype=kv_dtype)) == per_token


def test_pipeline_stages_share_the_layers() -> None:
    assert kv_bytes_per_token(shape("Llama-3.1-8B", "H100", gpu_count=3, pipeline_parallel=3)) == 11 * 4096


def test_sliding_layers_stop_growing_at_the_window() -> None:
    one = shape("gpt-oss-120b", "H100", "mxfp4")
    # 18 layers x 2048 bytes x (128 - 1 + one block of 16) above the full layers' 36,864 per token.
    assert kv_bytes_per_request(one, 10_000) == 36_864 * 10_000 + 36_864 * (127 + 16)
    assert kv_bytes_per_request(one, 10_000, in_flight_tokens=8192) == 36_864 * 10_000 + 36_864 * (127 + 8192 + 16)


def test_blocks_of_16_tokens_as_vllm_allocates() -> None:
    # vLLM 0.32 on a CPU, SmolLM2-135M, 1 GiB: reported 46,592 tokens.
    assert pool_tokens(shape("SmolLM2-135M", "H100"), GIB, 8192) == 46_592


# The worked example: 0.92 of the physical size, activations by batched tokens, 0.27 + 0.5 GiB for the rest.
@pytest.mark.parametrize(
    ("gpu", "precision", "budget", "weights", "activation", "pool", "tokens", "batch", "full"),
    [
        ("L4", "bf16", 20.27, 14.96, 0.89, 3.65, None, None, None),
        ("L4", "fp8", 20.27, 8.46, 0.89, 10.15, 83_152, 72, 10),
        ("L40S", "bf16", 40.87, 14.96, 0.89, 24.25, 198_656, 172, 24),
        ("H100", "bf16", 72.85, 14.96, 1.90, 55.23, 452_416, 392, 55),
    ],
)
def test_the_worked_example(
    gpu: str,
    precision: str,
    budget: float,
    weights: float,
    activation: float,
    pool: float,
    tokens: int | None,
    batch: int | None,
    full: int | None,
) -> None:
    held = memory(shape("Llama-3.1-8B", gpu, precision), WORKLOAD)
    found = (held.budget_gib, held.weights_gib, held.activation_gib, held.kv_pool_gib)
    assert found == pytest.approx((budget, weights, activation, pool), abs=0.006)
    assert held.non_torch_gib + held.graphs_gib == pytest.approx(0.77)
    if tokens is not None:
        assert (held.kv_pool_tokens, held.max_batch, int(held.full_context_requests)) == (tokens, batch, full)


# Pools that vLLM 0.19 reported at utilisation 0.95 of 79.19 GiB.
@pytest.mark.parametrize(
    ("model", "precision", "kv_dtype", "pool"),
    [
        ("Llama-3.1-8B", "bf16", "bf16", 58.11),
        ("Llama-3.1-8B", "fp8", "bf16", 64.61),
        ("Llama-3.1-8B", "fp32", "bf16", 42.80),
        ("Qwen2.5-7B", "bf16", "fp8", 58.53),
    ],
)
def test_pools_that_vllm_reported(model: str, precision: str, kv_dtype: str, pool: float) -> None:
    one = shape(model, "H100", precision, kv_dtype=kv_dtype, memory_fraction=0.95, engine_version=(0, 19))
    assert memory(one, WORKLOAD).kv_pool_gib == pytest.approx(pool, rel=0.01)


# SGLang 0.5.23's defaults: the fraction, and what it leaves Llama-3.1-8B.
@pytest.mark.parametrize(
    ("gpu", "fraction", "pool"), [("L4", 0.684, 0.1), ("L40S", 0.843, 22.5), ("H100", 0.830, 50.8)]
)
def test_sglang_reserves_by_its_own_rule(gpu: str, fraction: float, pool: float) -> None:
    one = shape("Llama-3.1-8B", gpu, engine=SGLANG)
    assert sglang_fraction(one) == fraction
    assert memory(one, WORKLOAD).kv_pool_gib == pytest.approx(pool, abs=0.05)


def test_tensorrt_llm_takes_its_share_of_what_is_free_after_load() -> None:
    held = memory(shape("Llama-3.1-8B", "H100", engine=TENSORRT_LLM), WORKLOAD)
    assert held.kv_pool_gib == pytest.approx(0.9 * (79.19 - 14.957 - 1.9 - 0.27), abs=0.01)


def test_llama_cpp_must_leave_a_gib() -> None:
    held = memory(shape("Llama-3.1-8B", "L4", "q4_k_m", engine=LLAMA_CPP), WORKLOAD)
    # 512 rows of logits over 128,256 words in 32 bits, and 0.25 GiB.
    assert held.kv_pool_gib == pytest.approx(22.03 - 4.571 - (0.25 + 512 * 128_256 * 4 / GIB) - 1, abs=0.01)


def test_a_file_of_known_size_is_that_size() -> None:
    assert weights_gib(shape("Llama-3.1-8B", "L4", "q4_k_m", engine=LLAMA_CPP, weights_bytes=2 * GIB)) == 2.0


@pytest.mark.parametrize(
    ("written", "engine", "compute", "kind"),
    [
        ("auto", VLLM, "fp8", "bf16"),
        ("", TENSORRT_LLM, "fp8", "fp8"),
        ("auto", TENSORRT_LLM, "fp4", "fp8"),
        ("auto", TENSORRT_LLM, "16bit", "bf16"),
        ("fp8_e4m3", SGLANG, "16bit", "fp8"),
        ("F16", LLAMA_CPP, "16bit", "fp16"),
    ],
)
def test_kv_dtypes_as_engines_take_them(written: str, engine: str, compute: str, kind: str) -> None:
    assert kv_dtype_or_default(written, engine, compute) == kind
