"""Engine `vllm`: every fact about its server that would break a deployment, where it is silent too."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.engines.base import Parallel
from infra.engines.catalogue import flags as known_flags
from infra.engines.vllm import ENGINE
from tests.unit.engine_requests import REPOSITORY, flags, rendered, requested

KIND = "vllm"


def spread(**over: int) -> dict[str, str | None]:
    return flags(ENGINE.render(replace(requested(KIND, concurrent_requests=10), parallel=Parallel(**over))))


def test_the_entrypoint_of_the_image_is_not_relied_on() -> None:
    """It has changed between versions. The model is the first, positional argument."""
    container = rendered(KIND)
    assert container.command == ("vllm", "serve")
    assert container.arguments[0] == "/models/chat"
    assert container.image.reference == "vllm/vllm-openai:v0.33.0"


def test_what_it_is_always_told() -> None:
    said = flags(rendered(KIND, context_tokens=32_768, concurrent_requests=64))
    assert said["--host"] == "0.0.0.0"
    assert said["--port"] == "8000"
    assert said["--served-model-name"] == "chat"
    # `1k` would be 1,000 and `1K` 1,024.
    assert said["--max-model-len"] == "32768"
    # Both defaults depend on the card.
    assert said["--max-num-seqs"] == "64"
    assert said["--max-num-batched-tokens"] == "8192"
    # Its default has changed between versions.
    assert said["--gpu-memory-utilization"] == "0.92"
    # Probes fill the log otherwise.
    assert said["--disable-access-log-for-endpoints"] == "/health,/metrics"


def test_sigterm_finishes_answers() -> None:
    """Its default, 0, aborts all of them."""
    container = rendered(KIND, longest_generation_seconds=300)
    assert flags(container)["--shutdown-timeout"] == "300"
    assert container.drains_on_sigterm is True
    assert container.stop_margin_seconds == 15


@pytest.mark.parametrize("flag", ["--disable-log-requests", "--task", "--guided-decoding-backend", "--swap-space"])
def test_flags_that_no_longer_exist(flag: str) -> None:
    assert flag in known_flags(KIND).removed
    (problem,) = ENGINE.problems(requested({"kind": KIND, "extra_arguments": [f"{flag}=1"]}))
    assert "no longer takes" in problem.found


@pytest.mark.parametrize("flag", ["--enable-log-requests", "--disable-log-stats", "--trust-remote-code", "--api-key"])
def test_flags_that_are_never_rendered(flag: str) -> None:
    """Prompts in logs, no metrics, foreign code, a key in the list of processes."""
    assert flag not in flags(rendered(KIND))
    assert list(ENGINE.problems(requested({"kind": KIND, "extra_arguments": [flag]})))


def test_the_admission_limit_counts_running_requests_too() -> None:
    said = flags(rendered({"kind": KIND, "queued_requests": 20}, concurrent_requests=8))
    assert said["--max-num-queued-reqs"] == "28"
    assert "--max-num-queued-reqs" not in flags(rendered(KIND))


def test_a_step_has_room_for_every_sequence() -> None:
    said = flags(rendered({"kind": KIND, "prefill_batch_tokens": 256}, concurrent_requests=4096))
    assert said["--max-num-batched-tokens"] == "4096"


def test_embeddings() -> None:
    """`--task` is gone; a prompt is read in one step."""
    container = rendered(KIND, task="embed", context_tokens=40_000)
    said = flags(container)
    assert said["--runner"] == "pooling"
    assert said["--max-num-batched-tokens"] == "40000"
    assert container.endpoints == ("embeddings",)
    assert "--runner" not in flags(rendered(KIND))


@pytest.mark.parametrize(
    ("fields", "flag", "value"),
    [
        ({"kv_dtype": "fp8"}, "--kv-cache-dtype", "fp8"),
        ({"kv_dtype": "bfloat16"}, "--kv-cache-dtype", "bfloat16"),
        ({"precision": "float16"}, "--dtype", "float16"),
        ({"quantization": "fp8"}, "--quantization", "fp8_per_tensor"),  # `fp8` no longer quantises anything
        ({"prefix_cache": False}, "--no-enable-prefix-caching", None),
        ({"structured_output": "llguidance"}, "--structured-outputs-config", '{"backend": "guidance"}'),
        ({"tool_calls": "llama3"}, "--tool-call-parser", "llama3_json"),
        ({"tool_calls": "gpt_oss"}, "--enable-auto-tool-choice", None),
        ({"reasoning": "gpt_oss"}, "--reasoning-parser", "openai_gptoss"),
    ],
)
def test_shared_words_in_its_own(fields: dict[str, Any], flag: str, value: str | None) -> None:
    assert flags(rendered(KIND, **fields))[flag] == value
    assert flag not in flags(rendered(KIND)), "unset is the engine's own choice"


@pytest.mark.parametrize(("rank", "taken"), [(1, "1"), (9, "16"), (64, "64"), (257, "320"), (512, "512")])
def test_adapters_have_a_rank_that_it_has_kernels_for(rank: int, taken: str) -> None:
    container = rendered(
        KIND, adapters={"legal": {"source": REPOSITORY, "rank": rank}, "b": {"source": REPOSITORY, "rank": 1}}
    )
    said = flags(container)
    assert "--enable-lora" in said
    assert said["--max-lora-rank"] == taken
    assert said["--max-loras"] == "2"
    assert said["--lora-modules"] == "legal=/models/chat-adapters/legal b=/models/chat-adapters/b"
    assert container.adapter_names == {"legal": "legal", "b": "b"}
    assert set(container.further_weights) == {"/models/chat-adapters/legal", "/models/chat-adapters/b"}


def test_drafts_are_one_json_value() -> None:
    container = rendered(KIND, speculative={"method": "eagle3", "draft": REPOSITORY, "draft_tokens": 4})
    config = json.loads(flags(container)["--speculative-config"] or "")
    assert config == {"method": "eagle3", "model": "/models/chat-draft", "num_speculative_tokens": 4}
    assert set(container.further_weights) == {"/models/chat-draft"}
    config = json.loads(flags(rendered(KIND, speculative={"method": "ngram"}))["--speculative-config"] or "")
    assert config == {"method": "ngram", "num_speculative_tokens": 3}


@pytest.mark.parametrize(
    ("setting", "flag", "value"),
    [
        ({"load_format": "runai_streamer"}, "--load-format", "runai_streamer"),
        ({"cuda_graphs": False}, "--enforce-eager", None),
    ],
)
def test_settings_of_its_own(setting: dict[str, Any], flag: str, value: str | None) -> None:
    assert flags(rendered({"kind": KIND, **setting}))[flag] == value
    assert flag not in flags(rendered(KIND))


def test_parallelism() -> None:
    """Expert parallelism is a switch, and sequences are counted in each data-parallel rank."""
    assert spread(tensor=4)["--tensor-parallel-size"] == "4"
    assert spread(pipeline=2)["--pipeline-parallel-size"] == "2"
    data = spread(data=4, expert=4)
    assert (data["--data-parallel-size"], data["--max-num-seqs"]) == ("4", "3")
    assert data["--enable-expert-parallel"] is None
    assert not {"--pipeline-parallel-size", "--data-parallel-size", "--enable-expert-parallel"} & set(spread())


def test_how_it_is_watched() -> None:
    container = rendered(KIND)
    # `/v1/models` would answer 401: it asks for the engine's key.
    assert container.readiness_path == container.liveness_path == "/health"
    assert container.running_metric == "vllm:num_requests_running"
    assert container.queued_metric == "vllm:num_requests_waiting"
    # Not `gpu_cache_usage_perc`, its name in many dashboards.
    assert container.kv_usage_metric == "vllm:kv_cache_usage_perc"
    assert container.latency_metric == "vllm:time_to_first_token_seconds"
    assert container.metrics_path == "/metrics"
    assert (container.key_environment, container.key_file) == ("VLLM_API_KEY", None)


def test_nothing_is_sent_and_what_is_compiled_is_kept() -> None:
    environment = rendered(KIND).environment
    assert environment["VLLM_NO_USAGE_STATS"] == "1"
    assert environment["VLLM_CACHE_ROOT"] == "/cache/vllm"
    # It opens paths that control the engine.
    assert "VLLM_SERVER_DEV_MODE" not in environment
