"""Engine `tensorrt_llm`: NVIDIA's `trtllm-serve` with its PyTorch backend. Experimental: no image was opened for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import yaml
from pydantic import Field

from infra.engines.arguments import extra_argument_problems
from infra.engines.base import Capabilities, EngineRequest, EngineSettings
from infra.engines.catalogue import flags, image
from infra.engines.container import (
    OPTIONS_FOLDER,
    PROBES,
    STOP_MARGIN_SECONDS,
    USER,
    endpoints,
    further_weights,
    python_environment,
    shared_memory_gib,
    writable_paths,
)
from infra.plan.types import ContainerSpec
from infra.problems import Problem

OPTIONS_FILE = f"{OPTIONS_FOLDER}/options.yaml"


class TensorrtLlmSettings(EngineSettings):
    """TensorRT-LLM. What every engine shares (context, concurrency …) is set on the model."""

    kind: Literal["tensorrt_llm"] = Field(
        description="NVIDIA's `trtllm-serve`, for Hugging Face repositories on NVIDIA GPUs; experimental."
    )
    kv_cache_memory_percent: int = Field(
        default=90,
        ge=10,
        le=99,
        description="Part of the GPU memory for the KV cache that is free once the weights are loaded.",
    )
    prefill_batch_tokens: int = Field(
        default=8192,
        ge=256,
        le=1_048_576,
        description="Tokens computed in one step: more serves prompts sooner, and needs more memory.",
    )
    cuda_graphs: bool = Field(
        default=True,
        description="Whether steps are recorded as CUDA graphs; without, the start is sooner, steps slower.",
    )


class TensorrtLlm:
    """Implements the engine `tensorrt_llm` (flags of trtllm-serve 1.2)."""

    settings = TensorrtLlmSettings
    # Names of parsers: serve/tool_parser and llmapi/reasoning_parser.py, read 2026-11-25.
    capabilities = Capabilities(
        weights=("repository",),
        # Its page of quantisation (1.2), read 2026-11-26.
        modelopt=("fp8", "nvfp4", "int4_awq"),
        parallel=("tensor", "pipeline", "expert"),
        precision={"bfloat16": "bfloat16", "float16": "float16", "float32": "float32"},
        kv_dtype={"fp8": "fp8"},
        structured_output={"xgrammar": "xgrammar", "llguidance": "llguidance"},
        tool_calls={
            "hermes": "qwen3",
            "qwen3_coder": "qwen3_coder",
            "deepseek_v3": "deepseekv3",
            "kimi_k2": "kimi_k2",
        },
        reasoning={"deepseek_r1": "deepseek-r1", "qwen3": "qwen3"},
        speculative={"ngram": "NGram", "draft_model": "DraftTarget", "eagle3": "Eagle", "mtp": "MTP"},
        why_not={
            "nodes": "`trtllm-serve` starts on other nodes by MPI over SSH, and no pod here lets anybody log in",
            "adapters": "with trtllm-serve a request names an adapter by its path, not by `model`",
            "quantization": "TensorRT-LLM reads it from the checkpoint",
            "task": "`trtllm-serve` is not tried with embeddings here",
        },
    )

    def problems(self, request: EngineRequest) -> Iterator[Problem]:
        yield from extra_argument_problems(request, flags("tensorrt_llm"))

    def warnings(self, request: EngineRequest) -> Iterator[str]:
        yield (
            f"model `{request.model}`: the engine `tensorrt_llm` is experimental (rendered from its source, never run "
            "here); it knows no keys and no limit of waiting requests, so nothing but the gateway may reach it"
        )

    def render(self, request: EngineRequest) -> ContainerSpec:
        settings: TensorrtLlmSettings = request.settings
        return ContainerSpec(
            image=image("tensorrt_llm", settings.image, request.registry),
            command=("trtllm-serve",),
            # It has no flag for a served name: clients see the folder's, so the platform names that as the model.
            arguments=(request.weights_path, *_arguments(request, settings), *settings.extra_arguments),
            environment=python_environment(request.cache_path),
            ports={"http": request.port},
            endpoints=endpoints(request),
            readiness_path="/health",
            # Not /health_generate, which would queue behind the users' requests.
            liveness_path="/health",
            probes=PROBES,
            # `/metrics` is JSON.
            metrics_path="/prometheus/metrics",
            running_metric="trtllm_num_requests_running",
            queued_metric="trtllm_num_requests_waiting",
            kv_usage_metric="trtllm_kv_cache_utilization",
            latency_metric="trtllm_time_to_first_token_seconds",
            # It has no code of its own for it: whoever runs it holds the signal back until it is idle.
            drains_on_sigterm=False,
            stop_margin_seconds=STOP_MARGIN_SECONDS,
            key_file=None,
            key_file_content=None,
            key_environment=None,
            files={OPTIONS_FILE: yaml.safe_dump(_options(request, settings), sort_keys=False)},
            further_weights=further_weights(request),
            adapter_names={},
            writable_paths=writable_paths(request),
            shared_memory_gib=shared_memory_gib(request),
            user=USER,
        )


def _arguments(request: EngineRequest, settings: TensorrtLlmSettings) -> Iterator[str]:
    words, spread = TensorrtLlm.capabilities, request.parallel
    yield from ("--host", request.host, "--port", request.port)
    yield from ("--backend", "pytorch")
    yield from ("--max_seq_len", str(request.context_tokens))
    yield from ("--max_batch_size", str(request.concurrent_requests))
    yield from ("--max_num_tokens", str(max(settings.prefill_batch_tokens, request.concurrent_requests)))
    # Off by default: a prompt longer than a step would be refused.
    yield "--enable_chunked_prefill"
    yield from ("--tp_size", str(spread.tensor))
    if spread.pipeline > 1:
        yield from ("--pp_size", str(spread.pipeline))
    if spread.expert > 1:
        yield from ("--ep_size", str(spread.expert))
    if request.tool_calls:
        yield from ("--tool_parser", words.tool_calls[request.tool_calls])
    if request.reasoning:
        yield from ("--reasoning_parser", words.reasoning[request.reasoning])
    yield from ("--config", OPTIONS_FILE)


def _options(request: EngineRequest, settings: TensorrtLlmSettings) -> dict[str, Any]:
    """The options file. It overwrites flags block by block, so that nothing in it is a flag as well."""
    words = TensorrtLlm.capabilities
    kv_cache: dict[str, Any] = {
        "free_gpu_memory_fraction": settings.kv_cache_memory_percent / 100,
        "enable_block_reuse": request.prefix_cache,
    }
    if request.kv_dtype:
        kv_cache["dtype"] = words.kv_dtype[request.kv_dtype]
    options: dict[str, Any] = {
        "kv_cache_config": kv_cache,
        # Both, for the metrics that routing and scaling read.
        "return_perf_metrics": True,
        "enable_iter_perf_stats": True,
        # Without one, it accepts a schema and follows none; the other engines have one by default.
        "guided_decoding_backend": words.structured_output[request.structured_output or "xgrammar"],
    }
    if request.precision:
        options["dtype"] = words.precision[request.precision]
    if not settings.cuda_graphs:
        options["cuda_graph_config"] = None
    if draft := request.speculative:
        options["speculative_config"] = _speculative(words.speculative[draft.method], draft.draft_tokens)
        if draft.draft_path:
            options["speculative_config"]["speculative_model_dir"] = draft.draft_path
    return options


def _speculative(decoding_type: str, tokens: int) -> dict[str, Any]:
    count = "num_nextn_predict_layers" if decoding_type == "MTP" else "max_draft_len"
    return {"decoding_type": decoding_type, count: tokens}


ENGINE = TensorrtLlm()
