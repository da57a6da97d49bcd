"""Engine `llama_cpp`: every fact about its server that would break a deployment, where it is silent too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.engines import ENGINES
from infra.engines.base import Parallel
from infra.engines.catalogue import flags as known_flags
from tests.unit.engine_requests import flags, rendered, requested

KIND = "llama_cpp"


@pytest.mark.parametrize(("context", "at_once"), [(16, 1), (2048, 4), (131_072, 7)])
def test_the_context_is_split_over_slots(context: int, at_once: int) -> None:
    """Each request must get what the model promises: `c / np` is what a slot has once `-np` is set."""
    said = flags(rendered(KIND, context_tokens=context, concurrent_requests=at_once))
    assert said["--parallel"] == str(at_once)
    assert said["--ctx-size"] == str(context * at_once)


def test_what_must_never_be_left_to_llama_cpp() -> None:
    """Its own defaults: loopback, shrink the context until it fits, 8 GiB of host memory, a web page, open slots,
    downloads, no metrics, every GPU layer by estimate, the file's name as the model's."""
    said = flags(rendered(KIND))
    assert said["--host"] == "0.0.0.0"
    assert said["--port"] == "8000"
    assert said["--fit"] == "off"
    assert said["--cache-ram"] == "0"
    assert said["--n-gpu-layers"] == "0"
    assert said["--api-key-file"] == "/etc/slipway/key"
    assert said["--alias"] == "chat"
    assert said["--model"] == "/models/chat"
    assert said["--cache-type-k"] == said["--cache-type-v"] == "f16"
    assert {"--no-ui", "--no-slots", "--offline", "--metrics"} <= set(said)


def test_flags_that_were_removed_are_never_rendered() -> None:
    removed = known_flags(KIND).removed
    assert {"--draft", "--draft-max", "--mlock", "--no-mmap"} <= set(removed)
    for method in ("ngram", "mtp"):
        assert not set(flags(rendered(KIND, speculative={"method": method}))) & set(removed)


def test_drafts() -> None:
    ngram = flags(rendered(KIND, speculative={"method": "ngram", "draft_tokens": 6}))
    assert (ngram["--spec-type"], ngram["--spec-ngram-simple-size-m"]) == ("ngram-simple", "6")
    draft = {"kind": "file", "path": "/m/draft.gguf", "sha256": "1" * 64}
    container = rendered(KIND, speculative={"method": "draft_model", "draft": draft, "draft_tokens": 5})
    said = flags(container)
    assert (said["--spec-type"], said["--spec-draft-n-max"]) == ("draft-simple", "5")
    assert said["--spec-draft-model"] == "/models/chat-draft"
    assert container.further_weights["/models/chat-draft"].location == "/m/draft.gguf"


def test_it_runs_as_a_program_and_in_its_image() -> None:
    """The image's entrypoint is not relied on; without GPU layers the smaller image does."""
    assert ENGINES[KIND].capabilities.program == "llama-server"
    container = rendered(KIND)
    assert container.command == ("/app/llama-server",)
    assert container.image.reference == "ghcr.io/ggml-org/llama.cpp:server"
    assert rendered({"kind": KIND, "gpu_layers": 1000}).image.tag == "server-cuda13"


def test_how_it_is_watched_and_ended() -> None:
    container = rendered(KIND)
    # It cuts every stream on SIGTERM: somebody else has to wait until it is idle.
    assert container.drains_on_sigterm is False
    assert container.running_metric == "llamacpp:requests_processing"
    assert container.queued_metric == "llamacpp:requests_deferred"
    assert container.metrics_path == "/metrics"
    assert (container.kv_usage_metric, container.latency_metric) == (None, None), "it has neither"
    assert container.stop_margin_seconds == 15
    # 503 while it loads, without a key; `/v1/models` would ask for one.
    assert container.readiness_path == container.liveness_path == "/health"
    assert container.key_file_content == "{key}\n"


def test_extra_arguments_are_two_words() -> None:
    """llama.cpp knows no `--flag=value`."""
    container = rendered({"kind": KIND, "extra_arguments": ["--flash-attn=on", "--no-warmup"]})
    assert container.arguments[-3:] == ("--flash-attn", "on", "--no-warmup")


@pytest.mark.parametrize(
    ("fields", "flag", "value"),
    [
        ({"kv_dtype": "int8"}, "--cache-type-v", "q8_0"),
        ({"kv_dtype": "bfloat16"}, "--cache-type-k", "bf16"),
        ({"prefix_cache": False}, "--no-cache-prompt", None),
        ({"tool_calls": "mistral"}, "--jinja", None),
        ({"reasoning": "qwen3"}, "--reasoning-format", "auto"),
    ],
)
def test_shared_words_in_its_own(fields: dict[str, Any], flag: str, value: str | None) -> None:
    assert flags(rendered(KIND, **fields))[flag] == value
    assert "--cache-type" in flag or flag not in flags(rendered(KIND)), "unset is the engine's own choice"


def test_layers_over_several_gpus() -> None:
    request = replace(requested({"kind": KIND, "gpu_layers": 1000}), parallel=Parallel(pipeline=2))
    assert flags(ENGINES[KIND].render(request))["--split-mode"] == "layer"
    assert "--split-mode" not in flags(rendered(KIND))


def test_threads_are_the_places_choice_unless_given() -> None:
    """Its own choice is every core of the machine, however few of them the container may use."""
    assert flags(rendered({"kind": KIND, "threads": 3}))["--threads"] == "3"
    assert flags(rendered(KIND))["--threads"] == "{threads}"
    assert flags(ENGINES[KIND].render(replace(requested(KIND), threads="7")))["--threads"] == "7"


@pytest.mark.parametrize(
    ("task", "endpoints"), [("generate", ("chat_completions", "completions")), ("embed", ("embeddings",))]
)
def test_the_task_decides_the_endpoints(task: str, endpoints: tuple[str, ...]) -> None:
    container = rendered(KIND, task=task)
    assert container.endpoints == endpoints
    assert ("--embeddings" in flags(container)) == (task == "embed")
