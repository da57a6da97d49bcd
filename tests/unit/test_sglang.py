"""Engine `sglang`: every fact about its server that would break a deployment, where it is silent too."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml

from infra.engines.base import Parallel
from infra.engines.catalogue import flags as known_flags
from infra.engines.sglang import ENGINE
from infra.problems import Refused
from tests.unit.engine_requests import GGUF, REPOSITORY, flags, rendered, requested

KIND = "sglang"


def test_it_is_reached_and_measured_from_outside() -> None:
    """Its defaults are loopback and no metrics: a container that looks healthy from inside and dead from outside."""
    container = rendered(KIND)
    said = flags(container)
    assert said["--host"] == "0.0.0.0"
    assert said["--port"] == "8000"
    assert "--enable-metrics" in said
    # Its image sets no entrypoint.
    assert container.command == ("python3", "-m", "sglang.launch_server")
    assert said["--model-path"] == "/models/chat"
    assert container.image.reference == "lmsysorg/sglang:v0.5.23"


@pytest.mark.parametrize("name", ["chat:legal", "a:b"])
def test_no_name_has_a_colon(name: str) -> None:
    """It means `model:adapter`, and a served name with one fails at start; ours cannot have one."""
    with pytest.raises(Refused):
        requested(KIND, adapters={name: {"source": REPOSITORY}})
    container = rendered(KIND, adapters={"legal": {"source": REPOSITORY, "rank": 24}})
    assert ":" not in (flags(container)["--served-model-name"] or ":")
    assert container.adapter_names == {"legal": "chat:legal"}


def test_adapters() -> None:
    said = flags(rendered(KIND, adapters={"legal": {"source": REPOSITORY, "rank": 24}, "b": {"source": REPOSITORY}}))
    assert "--enable-lora" in said
    assert said["--lora-paths"] == "legal=/models/chat-adapters/legal b=/models/chat-adapters/b"
    assert (said["--max-loras-per-batch"], said["--max-lora-rank"]) == ("2", "24")


def test_health_costs_a_token_and_a_second() -> None:
    """A probe of it must wait longer than its own 20 s, and readiness must not ask it; `/ready` is 503 in a drain."""
    container = rendered(KIND)
    assert container.readiness_path == "/ready"
    assert container.liveness_path == "/health"
    assert container.environment["SGLANG_HEALTH_CHECK_TIMEOUT"] == "20"
    assert container.probes.liveness.timeout_seconds > 20
    assert container.probes.liveness.period_seconds > container.probes.liveness.timeout_seconds
    assert container.probes.liveness.failures == 3
    # That would make it a plain 200, which proves nothing.
    assert "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION" not in container.environment


def test_it_drains_without_a_limit_and_slowly() -> None:
    """Up to 5 s until it notices, 5 s until it looks again, 15 s for its schedulers."""
    container = rendered(KIND)
    assert container.drains_on_sigterm is True
    assert container.stop_margin_seconds == 30


def test_the_key_is_in_a_file() -> None:
    """As a flag it would be in the list of processes, and there is no variable for it. The file must end in `.yaml`
    and be a word of its own after `--config`."""
    container = rendered(KIND)
    place = container.arguments.index("--config")
    assert container.arguments[place + 1] == container.key_file == "/etc/slipway/key.yaml"
    assert yaml.safe_load((container.key_file_content or "").replace("{key}", "slw-a1")) == {"api-key": "slw-a1"}
    assert container.key_environment is None
    assert list(ENGINE.problems(requested({"kind": KIND, "extra_arguments": ["--api-key=x"]})))


@pytest.mark.parametrize(
    ("fields", "flag", "value"),
    [
        ({"kv_dtype": "fp8"}, "--kv-cache-dtype", "fp8_e4m3"),  # vLLM's `fp8`
        ({"precision": "bfloat16"}, "--dtype", "bfloat16"),
        ({"quantization": "bitsandbytes"}, "--quantization", "bitsandbytes"),
        ({"quantization": "bitsandbytes"}, "--load-format", "bitsandbytes"),
        ({"prefix_cache": False}, "--disable-radix-cache", None),
        ({"structured_output": "llguidance"}, "--grammar-backend", "llguidance"),
        ({"tool_calls": "hermes"}, "--tool-call-parser", "qwen25"),
        ({"tool_calls": "gpt_oss"}, "--tool-call-parser", "gpt-oss"),
        ({"reasoning": "deepseek_r1"}, "--reasoning-parser", "deepseek-r1"),
        ({"task": "embed"}, "--is-embedding", None),
    ],
)
def test_shared_words_in_its_own(fields: dict[str, Any], flag: str, value: str | None) -> None:
    assert flags(rendered(KIND, **fields))[flag] == value
    assert flag not in flags(rendered(KIND)), "unset is the engine's own choice"


def test_drafts() -> None:
    """A chain of n drafted tokens is checked as n + 1. n-grams branch by ten of their own: a short draft had no step,
    and most attention backends refuse a tree."""
    said = flags(rendered(KIND, speculative={"method": "eagle3", "draft": REPOSITORY, "draft_tokens": 4}))
    assert (said["--speculative-algorithm"], said["--speculative-draft-model-path"]) == ("EAGLE3", "/models/chat-draft")
    assert (said["--speculative-num-steps"], said["--speculative-eagle-topk"]) == ("4", "1")
    assert said["--speculative-num-draft-tokens"] == "5"
    said = flags(rendered(KIND, speculative={"method": "ngram", "draft_tokens": 4}))
    assert (said["--speculative-algorithm"], said["--speculative-num-draft-tokens"]) == ("NGRAM", "5")
    assert said["--speculative-ngram-max-bfs-breadth"] == "1"
    assert "--speculative-num-steps" not in said


def test_gguf_files_are_read() -> None:
    """vLLM's are not, any more."""
    assert flags(rendered(KIND, source=GGUF))["--model-path"] == "/models/chat"


def test_there_is_no_tensorizer() -> None:
    with pytest.raises(Refused):
        requested({"kind": KIND, "load_format": "tensorizer"})


def test_flags_that_its_list_lacked_or_made_up() -> None:
    """Extracted from its fields: a few flags come from elsewhere, and a few fields have none."""
    taken = known_flags(KIND).taken
    assert {"--config", "--reasoning-parser", "--tool-call-parser", "--kv-canary-real-data"} <= taken
    assert not [flag for flag in taken if re.match("---", flag)]
    assert not {"--watermark-key", "--grpc-worker-threads", "--uses-mamba-radix-cache"} & taken


def test_parallelism() -> None:
    request = replace(requested(KIND), parallel=Parallel(tensor=8, pipeline=2, data=4, expert=8))
    said = flags(ENGINE.render(request))
    assert [said[f"--{name}-size"] for name in ("tp", "pp", "dp", "ep")] == ["8", "2", "4", "8"]
    assert not {"--pp-size", "--dp-size", "--ep-size"} & set(flags(rendered(KIND)))


def test_memory_is_its_own_choice_or_a_fraction() -> None:
    assert "--mem-fraction-static" not in flags(rendered(KIND))
    assert flags(rendered({"kind": KIND, "static_memory_percent": 88}))["--mem-fraction-static"] == "0.88"


@pytest.mark.parametrize(
    ("setting", "flag", "value"),
    [
        ({"load_format": "runai_streamer"}, "--load-format", "runai_streamer"),
        ({"cuda_graphs": False}, "--cuda-graph-backend-decode", "disabled"),
        ({"cuda_graphs": False}, "--cuda-graph-backend-prefill", "disabled"),
        ({"queued_requests": 7}, "--max-queued-requests", "7"),
    ],
)
def test_settings_of_its_own(setting: dict[str, Any], flag: str, value: str | None) -> None:
    assert flags(rendered({"kind": KIND, **setting}))[flag] == value
    assert flag not in flags(rendered(KIND))


def test_a_loader_of_its_own_quantises() -> None:
    """`bitsandbytes` is one: another load format contradicts it."""
    engine = {"kind": KIND, "load_format": "safetensors"}
    (problem,) = ENGINE.problems(requested(engine, quantization="bitsandbytes"))
    assert problem.where.endswith("engine.load_format")
    assert not list(ENGINE.problems(requested(engine, quantization="fp8")))


def test_what_was_asked_is_told() -> None:
    said = flags(rendered({"kind": KIND, "prefill_batch_tokens": 4096}, context_tokens=32_768, concurrent_requests=64))
    assert (said["--context-length"], said["--max-running-requests"]) == ("32768", "64")
    assert said["--chunked-prefill-size"] == "4096"
    assert said["--served-model-name"] == "chat"


def test_metrics() -> None:
    container = rendered(KIND)
    assert (container.running_metric, container.queued_metric) == ("sglang:num_running_reqs", "sglang:num_queue_reqs")
    assert container.kv_usage_metric == "sglang:token_usage"
    assert container.latency_metric == "sglang:time_to_first_token_seconds"
    assert container.metrics_path == "/metrics"
