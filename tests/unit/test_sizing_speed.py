"""Speed: the worked examples with the published constants, what the shipped ones promise, and what must always hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.gpus import gpus
from infra.catalog.models import models
from infra.problems import Refused
from infra.sizing import aiconfigurator
from infra.sizing.aiconfigurator import AICONFIGURATOR
from infra.sizing.constants import Constants, constants_for, document
from infra.sizing.evaluate import evaluate, one_machine
from infra.sizing.performance import ESTIMATORS, ROOFLINE
from infra.sizing.pool import memory
from infra.sizing.precision import PRECISIONS, compute_tflops
from infra.sizing.published_fit import PUBLISHED_FIT
from infra.sizing.roofline import times
from infra.sizing.types import ENGINES, LLAMA_CPP, Workload
from tests.unit.sizing_shapes import PUBLISHED, WORKLOAD, shape


@pytest.mark.parametrize(
    ("gpu", "precision", "weights", "kv", "step", "prefill", "tpot"),
    [
        ("L4", "fp8", 27.2, 21.2, 52.2, 102.6, 58.6),
        ("L40S", "bf16", 18.9, 7.4, 30.1, 68.6, 34.3),
        ("H100", "bf16", 4.9, 1.9, 10.6, 25.1, 12.2),
    ],
)
def test_the_worked_example(
    gpu: str, precision: str, weights: float, kv: float, step: float, prefill: float, tpot: float
) -> None:
    """Llama-3.1-8B, 1024 in, 256 out, 16 at once, 16-bit KV: the published table (2026)."""
    one = shape("Llama-3.1-8B", gpu, precision)
    # Attention is computed in 16 bits; the published formula gives it the rate of the weights' format.
    faster = (one.gpu.tflops_fp8 or 0) / one.gpu.tflops_16bit if precision == "fp8" else 1.0
    part = times(one, WORKLOAD, 16, replace(PUBLISHED, attention_compute=0.63 * faster))
    # The head is streamed as it is stored, in 16 bits; the published formula streams it like the rest.
    head = 128_256 * 4096 * (2 - one.precision.bytes_per_parameter) / (one.gpu.bandwidth_gb_s * 1e6 * 0.92)
    assert (part.weights_ms - head, part.kv_ms) == pytest.approx((weights, kv), abs=0.08)
    assert part.step_ms - head == pytest.approx(step, abs=0.08)
    assert part.prefill_ms == pytest.approx(prefill, abs=0.6)
    # The table counts a request's own prefill as an interruption of itself; here only the 15 others interrupt.
    own = part.prefill_ms / WORKLOAD.output_tokens
    assert part.time_per_output_token_ms - head + own == pytest.approx(tpot, abs=0.1)


def test_experts_are_streamed_once_however_many_requests_want_them() -> None:
    one = shape("Qwen3-30B-A3B", "H100", "fp8")
    few, many, all_of_them = (times(one, WORKLOAD, batch, PUBLISHED).weights_ms for batch in (1, 32, 100_000))
    # 8 of 128 experts at one request, 1 - (1 - 8/128)^32 = 87 % at 32.
    experts = [part - few for part in (many, all_of_them)]
    assert experts[0] / experts[1] == pytest.approx((0.8732 * 128 - 8) / (128 - 8), rel=1e-3)


def test_a_latent_cache_is_read_by_every_rank() -> None:
    two, eight = (times(shape("DeepSeek-R1", "H200", "fp8", split=n), WORKLOAD, 16, PUBLISHED).kv_ms for n in (2, 8))
    assert two == eight
    split = [times(shape("Qwen3-32B", "H200", "fp8", split=n), WORKLOAD, 16, PUBLISHED).kv_ms for n in (2, 8)]
    assert split[0] == pytest.approx(4 * split[1])


def test_exchanges_cost_latency_and_link() -> None:
    slow = replace(PUBLISHED, all_reduce_us=10.0)
    part = times(shape("Llama-3.1-8B", "H100", split=2), WORKLOAD, 16, slow)
    # 32 layers x 2 x (10 us + 2 x 1/2 x 16 x 4096 x 2 bytes / 450 GB/s)
    assert part.communication_ms == pytest.approx(64 * (0.010 + 131_072 / 450e6), rel=1e-6)
    assert times(shape("Llama-3.1-8B", "H100"), WORKLOAD, 16, slow).communication_ms == 0


def test_requests_of_a_batch_share_experts() -> None:
    one = shape("Qwen3-30B-A3B", "H100", "fp8")
    alike = times(one, WORKLOAD, 64, replace(PUBLISHED, routing_spread=0.5)).weights_ms
    assert alike == times(one, WORKLOAD, 8, PUBLISHED).weights_ms


def test_layers_of_a_mixture_launch_more_and_blackwell_fuses_it() -> None:
    more = replace(PUBLISHED, expert_layer_us=30.0, fused_experts=0.5)
    extra = {
        gpu: times(shape("gpt-oss-120b", gpu, "mxfp4"), WORKLOAD, 1, more).overhead_ms
        - times(shape("gpt-oss-120b", gpu, "mxfp4"), WORKLOAD, 1, PUBLISHED).overhead_ms
        for gpu in ("H100", "B200")
    }
    assert extra == pytest.approx({"H100": 36 * 0.030, "B200": 36 * 0.015})


def test_tokens_travel_to_the_ranks_of_their_experts_and_back() -> None:
    ranks = shape("DeepSeek-R1", "H200", "fp8", gpu_count=8, tensor_parallel=1, expert_parallel=True)
    part = times(ranks, WORKLOAD, 64, replace(PUBLISHED, all_reduce_us=10.0))
    # 61 layers x 2 x (10 us + 8 tokens of each rank x 7 other ranks x 7168 x 2 bytes / 450 GB/s)
    assert part.communication_ms == pytest.approx(61 * 2 * (0.010 + 8 * 7 * 7168 * 2 / 450e6))


def test_sliding_layers_see_their_window_in_prefill() -> None:
    one = shape("gpt-oss-20b", "H100", "mxfp4")
    asked = replace(WORKLOAD, input_tokens=32_768)
    fast = replace(PUBLISHED, expert_compute=1e9)
    # 4 x (12 x 32768^2 / 2 + 12 x 32768 x 128) pairs x 64 heads x 64 at 0.63 x 989 TFLOP/s; products take no time.
    pairs = 12 * 32_768**2 / 2 + 12 * 32_768 * 128
    assert times(one, asked, 1, fast).prefill_ms == pytest.approx(4 * pairs * 4096 / (0.63 * 989e9), rel=1e-6)


def test_mxfp4_is_unpacked_before_blackwell() -> None:
    stored = PRECISIONS["mxfp4"]
    assert compute_tflops(gpus()["H100"], stored) == 989
    assert compute_tflops(gpus()["B200"], stored) == 4500
    assert compute_tflops(gpus()["A10G"], PRECISIONS["fp8"]) == gpus()["A10G"].tflops_16bit


def test_clients_wait_for_a_slot() -> None:
    """Twice as many clients as slots: nobody is served faster, and each waits as long as it is served."""
    one = shape("Llama-3.1-8B", "H100", max_num_seqs=32)
    full, twice = (
        ROOFLINE.estimate(one, asked, memory(one, asked))
        for asked in (replace(WORKLOAD, concurrency=32), replace(WORKLOAD, concurrency=64))
    )
    assert full.time_per_output_token_ms == twice.time_per_output_token_ms
    assert twice.output_tokens_per_second == pytest.approx(full.output_tokens_per_second, rel=0.01)
    assert (
        twice.time_to_first_token_ms_high > full.time_to_first_token_ms_high + 0.9 * 256 * full.time_per_output_token_ms
    )


def test_decode_only_is_not_interrupted() -> None:
    one = shape("Llama-3.1-8B", "L40S", "q4_k_m", engine=LLAMA_CPP)
    held = memory(one, WORKLOAD)
    interrupted, alone = (
        ROOFLINE.estimate(one, replace(WORKLOAD, decode_only=only), held).time_per_output_token_ms
        for only in (False, True)
    )
    assert interrupted > 1.2 * alone


def test_shipped_constants_are_physical_and_say_where_they_are_from() -> None:
    assert document()["date"] >= "2026-11-25"
    assert "bench.sizing.fit" in document()["source"]
    for engine in ENGINES:
        constants = constants_for(engine)
        assert all(getattr(constants, field.name) > 0 for field in fields(Constants))
        shares = ("weight_stream", "expert_stream", "kv_stream", "prefill_compute", "expert_compute", "link_share")
        assert all(getattr(constants, name) < 1 for name in shares)


def test_the_band_says_when_a_card_was_not_measured() -> None:
    on_l4 = evaluate(shape("Llama-3.1-8B", "L4", "fp8"), WORKLOAD).performance
    on_h100 = evaluate(shape("Llama-3.1-8B", "H100", "fp8"), WORKLOAD).performance
    assert on_l4
    assert "none of them on L4: expect worse" in on_l4.error_band
    assert on_h100
    assert "expect worse" not in on_h100.error_band


def test_the_published_fit_answers_what_was_published_and_nothing_else() -> None:
    one, alone = shape("Llama-3.1-8B", "H100"), replace(WORKLOAD, concurrency=1)
    found = PUBLISHED_FIT.estimate(one, alone, memory(one, alone))
    assert found.time_per_output_token_ms == pytest.approx(6.44 + 4.37e-5 * 1152)
    assert found.estimator.startswith("published_fit")
    assert PUBLISHED_FIT.refusal(one, alone) is None
    assert "one request at a time" in (PUBLISHED_FIT.refusal(one, WORKLOAD) or "")
    assert "nothing was published" in (PUBLISHED_FIT.refusal(shape("Llama-3.1-8B", "L4"), alone) or "")


INSTALLED = find_spec("aiconfigurator_core") is not None


@pytest.mark.skipif(INSTALLED, reason="`aiconfigurator-core` is installed")
def test_aiconfigurator_is_missing_in_words() -> None:
    with pytest.raises(Refused, match="which is not installed"):
        AICONFIGURATOR.refusal(shape("Qwen3-32B", "H200", "fp8"), WORKLOAD)


@pytest.fixture
def _no_answer_is_kept() -> Iterator[None]:
    yield
    for function in ("_asked", "_bundled"):
        vars(aiconfigurator)[function].cache_clear()


@pytest.mark.usefixtures("_no_answer_is_kept")
@pytest.mark.parametrize(
    ("model", "called", "split", "experts", "stored"),
    [
        ("Qwen3-32B", "Qwen/Qwen3-32B", 2, (2, 1), "fp8"),
        ("Llama-3.1-8B", "meta-llama/Meta-Llama-3.1-8B", 1, (1, 1), "bfloat16"),
    ],
)
def test_aiconfigurator_is_asked_where_it_is_installed(
    model: str,
    called: str,
    split: int,
    experts: tuple[int, int],
    stored: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Whole, without the 600 MB: every function that is called, with what it is called with."""
    calls: dict[str, Any] = {}
    (tmp_path / "model_configs").mkdir()
    for name in ("Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-32B", "meta-llama/Meta-Llama-3.1-8B"):
        (tmp_path / "model_configs" / f"{name.replace('/', '--')}_config.json").touch()

    def note(name: str, result: Any = None) -> Callable[..., Any]:
        def called(*given: Any, **more: Any) -> Any:
            calls[name] = (*given, *more.values())
            return result

        return called

    result = SimpleNamespace(get_result_dict=lambda: {"ttft": 50.0, "tpot": 10.0})
    engine = SimpleNamespace(run_agg=note("run_agg", result))
    parts: dict[str, dict[str, Any]] = {
        "perf_database": {
            "get_latest_database_version": note("version", "0.24.0"),
            "get_database_view": note("database", "tables"),
        },
        "config_builders": {"build_model_config": note("layout", "layout")},
        "models": {"get_model": note("model", "model")},
        "models.helpers": {"resolve_context_fmha_by_data": note("attention")},
        "config": {"RuntimeConfig": note("runtime", "runtime"), "__file__": str(tmp_path / "sdk" / "config.py")},
        "backends.factory": {"get_backend": note("backend", engine)},
    }
    for name in ("", ".sdk", ".sdk.backends", *(f".sdk.{part}" for part in parts)):
        module = ModuleType(f"aiconfigurator_core{name}")
        module.__dict__.update(parts.get(name.removeprefix(".sdk."), {}))
        monkeypatch.setitem(sys.modules, module.__name__, module)

    one = shape(model, "H200", "fp8" if stored == "fp8" else "bf16", split=split)
    found = evaluate(one, WORKLOAD, ESTIMATORS["aiconfigurator"])
    assert calls["database"] == ("h200_sxm", "vllm", "0.24.0", False, "SILICON")
    assert calls["layout"] == (split, 1, 1, *experts, stored, "bfloat16", stored)
    assert calls["model"] == (called, "layout", "vllm")
    assert calls["runtime"] == (WORKLOAD.input_tokens, WORKLOAD.output_tokens, 16)
    assert calls["run_agg"] == ("model", "tables", "runtime", WORKLOAD.input_tokens)
    assert found.performance
    assert found.performance.time_per_output_token_ms == 10.0
    assert found.performance.output_tokens_per_second == pytest.approx(1e3 * 16 * 256 / (50 + 10 * 256))
    assert found.performance.estimator.startswith("aiconfigurator")
    # No dimensions of it in the package, a card that nobody measured there, a file of llama.cpp's.
    for other in (shape("Qwen3-8B", "H200"), shape("Qwen3-32B", "T4"), shape("Qwen3-32B", "H200", "gguf-q8_0")):
        assert "knows nothing of" in (AICONFIGURATOR.refusal(other, WORKLOAD) or "")


@pytest.mark.skipif(not INSTALLED, reason="`aiconfigurator-core` is not installed: requirements/aiconfigurator.txt")
def test_aiconfigurator_itself_agrees_with_the_roofline() -> None:
    """Where both should be good: a dense model on an H100. And it has no figures of an engine on an L4."""
    one = shape("Llama-3.1-8B", "H100", "bf16")
    own, theirs = (evaluate(one, WORKLOAD, ESTIMATORS[name]).performance for name in ("roofline", "aiconfigurator"))
    assert own
    assert theirs
    assert theirs.time_per_output_token_ms == pytest.approx(own.time_per_output_token_ms, rel=0.4)
    assert "no answer" in (AICONFIGURATOR.refusal(shape("Llama-3.1-8B", "L4", "fp8"), WORKLOAD) or "")


def test_what_spans_machines_is_judged_as_one() -> None:
    wide = shape("DeepSeek-R1", "H200", "fp8", split=64)
    assert (one_machine(wide).gpu_count, one_machine(wide).tensor_parallel) == (8, 8)
    found = evaluate(wide, WORKLOAD)
    assert [known.code for known in found.rejections] == ["not_modelled"]
    assert "64 H200 in machines of 8" in found.rejections[0].message
    assert found.performance == evaluate(one_machine(wide), WORKLOAD).performance


_GPUS = st.sampled_from([name for name, gpu in gpus().items() if gpu.backend in ("cuda", "metal", "xpu")])
_MODELS = st.sampled_from(list(models()))


@settings(max_examples=150, deadline=None)
@given(_MODELS, _GPUS, st.sampled_from([1, 2, 4, 8]), st.integers(1, 4000), st.integers(1, 600), st.integers(1, 500))
def test_more_requests_are_never_faster(model: str, gpu: str, split: int, sent: int, batch: int, more: int) -> None:
    one = shape(model, gpu, "fp8", split=split)
    asked = Workload(input_tokens=sent, output_tokens=200)
    slow, fast = (
        times(one, asked, size, constants_for(engine)).time_per_output_token_ms
        for engine in ("vllm",)
        for size in (batch + more, batch)
    )
    assert slow >= fast > 0


@settings(max_examples=150, deadline=None)
@given(_MODELS, _GPUS, st.floats(8, 300), st.floats(0, 100), st.sampled_from(["fp8", "bf16"]))
def test_more_memory_never_holds_fewer_requests(model: str, gpu: str, gib: float, more: float, kv_dtype: str) -> None:
    batches = [
        memory(
            shape(model, gpu, "fp8", kv_dtype=kv_dtype, usable_gib=size, batched_tokens=4096, max_num_seqs=512),
            WORKLOAD,
        ).max_batch
        for size in (gib, gib + more)
    ]
    assert batches[0] <= batches[1]


@settings(max_examples=150, deadline=None)
@given(_MODELS, _GPUS, st.sampled_from([1, 2, 4, 8]))
def test_a_smaller_kv_dtype_never_holds_fewer_requests(model: str, gpu: str, split: int) -> None:
    wide, narrow = (memory(shape(model, gpu, "fp8", split=split, kv_dtype=kind), WORKLOAD) for kind in ("bf16", "fp8"))
    assert narrow.max_batch >= wide.max_batch
    assert narrow.kv_pool_tokens >= wide.kv_pool_tokens
