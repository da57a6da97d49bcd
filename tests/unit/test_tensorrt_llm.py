"""Engine `tensorrt_llm`: every fact about its server that would break a deployment, where it is silent too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from infra.engines.base import Parallel
from infra.engines.tensorrt_llm import ENGINE, OPTIONS_FILE
from tests.unit.engine_requests import REPOSITORY, flags, rendered, requested

KIND = "tensorrt_llm"


def options(engine: dict[str, Any] | str = KIND, **fields: Any) -> dict[str, Any]:
    return yaml.safe_load(rendered(engine, **fields).files[OPTIONS_FILE])


def test_what_it_is_always_told() -> None:
    """Its default is loopback; it refuses prompts longer than a step unless they may be cut."""
    container = rendered(KIND, context_tokens=32_768, concurrent_requests=64)
    said = flags(container)
    assert container.command == ("trtllm-serve",)
    assert container.image.reference == "nvcr.io/nvidia/tensorrt-llm/release:1.2.1"
    assert said["--host"] == "0.0.0.0"
    assert said["--port"] == "8000"
    assert (said["--max_seq_len"], said["--max_batch_size"], said["--max_num_tokens"]) == ("32768", "64", "8192")
    assert "--enable_chunked_prefill" in said
    assert said["--backend"] == "pytorch"


def test_clients_see_the_folder_s_name() -> None:
    """There is no flag for a served name: the platform ends the weights' path with the model's."""
    container = rendered(KIND)
    assert container.arguments[0] == "/models/chat"
    assert not [flag for flag in flags(container) if "served" in flag]


def test_flags_have_underscores() -> None:
    """Unknown ones fail at start, those with dashes too."""
    every = rendered(
        {"kind": KIND, "extra_arguments": ["--num_postprocess_workers=4"]}, tool_calls="hermes", reasoning="qwen3"
    )
    assert not [flag for flag in flags(every) if "-" in flag.removeprefix("--")]
    (problem,) = ENGINE.problems(requested({"kind": KIND, "extra_arguments": ["--max-beam-width=2"]}))
    assert problem.remedy == "did you mean `--max_beam_width`?"


def test_each_option_is_in_one_place() -> None:
    """The file overwrites flags block by block: a `kv_cache_config` would undo the fraction's flag."""
    container = rendered(KIND, kv_dtype="fp8", prefix_cache=False)
    said = flags(container)
    assert said["--config"] == OPTIONS_FILE
    assert "--extra_llm_api_options" not in said
    assert not [flag for flag in said if "fraction" in flag]
    assert options(KIND, kv_dtype="fp8", prefix_cache=False)["kv_cache_config"] == {
        "free_gpu_memory_fraction": 0.9,
        "enable_block_reuse": False,
        "dtype": "fp8",
    }
    assert not {flag.removeprefix("--") for flag in said} & set(options())


def test_metrics_have_to_be_asked_for() -> None:
    """Two options, a path of their own (`/metrics` is JSON), and a folder that can be written."""
    assert options()["return_perf_metrics"] is True
    assert options()["enable_iter_perf_stats"] is True
    container = rendered(KIND)
    assert container.metrics_path == "/prometheus/metrics"
    assert (container.running_metric, container.queued_metric) == (
        "trtllm_num_requests_running",
        "trtllm_num_requests_waiting",
    )
    assert container.kv_usage_metric == "trtllm_kv_cache_utilization"
    assert container.latency_metric == "trtllm_time_to_first_token_seconds"
    assert "/tmp" in container.writable_paths


def test_it_has_no_keys_and_no_drain_of_its_own() -> None:
    container = rendered(KIND)
    assert (container.key_environment, container.key_file, container.key_file_content) == (None, None, None)
    assert "/etc/slipway/key" not in container.arguments
    assert container.drains_on_sigterm is False
    assert container.stop_margin_seconds == 15
    # Not `/health_generate`, which would queue behind the users' requests.
    assert container.readiness_path == container.liveness_path == "/health"


def test_it_is_experimental_and_says_so() -> None:
    (warning,) = ENGINE.warnings(requested(KIND))
    assert "experimental" in warning
    assert "no keys" in warning


def test_structured_output_is_never_left_out() -> None:
    """Without a backend it takes a schema and follows none."""
    assert options()["guided_decoding_backend"] == "xgrammar"
    assert options(structured_output="llguidance")["guided_decoding_backend"] == "llguidance"


@pytest.mark.parametrize(
    ("speculative", "config"),
    [
        ({"method": "ngram", "draft_tokens": 4}, {"decoding_type": "NGram", "max_draft_len": 4}),
        ({"method": "mtp", "draft_tokens": 1}, {"decoding_type": "MTP", "num_nextn_predict_layers": 1}),
        (
            {"method": "draft_model", "draft": REPOSITORY},
            {"decoding_type": "DraftTarget", "max_draft_len": 3, "speculative_model_dir": "/models/chat-draft"},
        ),
        (
            {"method": "eagle3", "draft": REPOSITORY},
            {"decoding_type": "Eagle", "max_draft_len": 3, "speculative_model_dir": "/models/chat-draft"},
        ),
    ],
)
def test_drafts_are_in_the_file(speculative: dict[str, Any], config: dict[str, Any]) -> None:
    assert options(speculative=speculative)["speculative_config"] == config


def test_precision_and_graphs_are_in_the_file() -> None:
    assert "dtype" not in options()
    for precision in ("bfloat16", "float16", "float32"):
        assert options(precision=precision)["dtype"] == precision
    assert "cuda_graph_config" not in options()
    assert options({"kind": KIND, "cuda_graphs": False})["cuda_graph_config"] is None


@pytest.mark.parametrize(
    ("fields", "flag", "value"),
    [
        ({"tool_calls": "hermes"}, "--tool_parser", "qwen3"),
        ({"tool_calls": "deepseek_v3"}, "--tool_parser", "deepseekv3"),
        ({"reasoning": "deepseek_r1"}, "--reasoning_parser", "deepseek-r1"),
    ],
)
def test_shared_words_in_its_own(fields: dict[str, Any], flag: str, value: str) -> None:
    assert flags(rendered(KIND, **fields))[flag] == value
    assert flag not in flags(rendered(KIND))


def test_parallelism() -> None:
    said = flags(ENGINE.render(replace(requested(KIND), parallel=Parallel(tensor=8, pipeline=2, expert=8))))
    assert [said[f"--{name}_size"] for name in ("tp", "pp", "ep")] == ["8", "2", "8"]
    assert not {"--pp_size", "--ep_size"} & set(flags(rendered(KIND)))
