"""Engine `vllm`: vLLM's OpenAI-compatible server, for whole Hugging Face repositories on GPUs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from infra.engines.arguments import extra_argument_problems
from infra.engines.base import Capabilities, EngineRequest
from infra.engines.catalogue import flags, image
from infra.engines.container import (
    LEADER_ADDRESS,
    MEETING_PORT,
    MEETING_SECONDS,
    NODE_RANK,
    PROBES,
    STOP_MARGIN_SECONDS,
    USER,
    endpoints,
    further_weights,
    python_environment,
    shared_memory_gib,
    writable_paths,
)
from infra.engines.streaming import (
    StreamingEngineSettings,
    loader_arguments,
    streaming_problems,
    streaming_warnings,
    weights_address,
)
from infra.plan.types import ContainerSpec
from infra.problems import Problem

# The ranks that vLLM has kernels for (the choices in `infra/catalog/engine_flags.json`).
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


class VllmSettings(StreamingEngineSettings):
    """vLLM. What every engine shares (context, concurrency, adapters …) is set on the model."""

    kind: Literal["vllm"] = Field(description="vLLM's server, for Hugging Face repositories on GPUs.")
    gpu_memory_percent: int = Field(
        default=92, ge=10, le=99, description="Part of each GPU's memory that the engine may use in all."
    )
    prefill_batch_tokens: int = Field(
        default=8192,
        ge=256,
        le=1_048_576,
        description="Tokens computed in one step: more serves prompts sooner, and needs more memory.",
    )
    queued_requests: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="Requests that may wait in the engine; above that it answers 503. Unset, no limit of its own.",
    )
    load_format: Literal["auto", "safetensors", "runai_streamer", "fastsafetensors", "tensorizer"] = Field(
        default="auto",
        description="How weights are read; the streamers and `fastsafetensors` load large models sooner.",
    )
    cuda_graphs: bool = Field(
        default=True,
        description="Whether steps are recorded as CUDA graphs; without, the start is sooner, steps slower.",
    )


class Vllm:
    """Implements the engine `vllm` (flags of vLLM 0.33.0)."""

    settings = VllmSettings
    # Words: the choices in `infra/catalog/engine_flags.json`.
    capabilities = Capabilities(
        weights=("repository",),
        tasks=("generate", "embed"),
        adapters=True,
        compressed_tensors=True,
        # QUANT_ALGOS of its `modelopt.py`, read 2026-11-26.
        modelopt=("fp8", "nvfp4"),
        parallel=("nodes", "tensor", "pipeline", "data", "expert"),
        precision={"bfloat16": "bfloat16", "float16": "float16", "float32": "float32"},
        # Plain `fp8` is for checkpoints that have it; with any other it fails at start (0.33).
        quantization={"fp8": "fp8_per_tensor"},
        kv_dtype={"bfloat16": "bfloat16", "float16": "float16", "fp8": "fp8"},
        structured_output={"xgrammar": "xgrammar", "llguidance": "guidance", "outlines": "outlines"},
        tool_calls={
            "hermes": "hermes",
            "qwen3_coder": "qwen3_coder",
            "llama3": "llama3_json",
            "mistral": "mistral",
            "deepseek_v3": "deepseek_v3",
            "deepseek_v31": "deepseek_v31",
            "gpt_oss": "openai",
            "glm45": "glm45",
            "kimi_k2": "kimi_k2",
        },
        reasoning={
            "deepseek_r1": "deepseek_r1",
            "qwen3": "qwen3",
            "gpt_oss": "openai_gptoss",
            "glm45": "glm45",
            "kimi_k2": "kimi_k2",
            "mistral": "mistral",
        },
        speculative={"ngram": "ngram", "draft_model": "draft_model", "eagle3": "eagle3", "mtp": "mtp"},
        why_not={
            "gguf": "vLLM took GGUF out of its tree in 0.33",
            "quantization": "vLLM took bitsandbytes out of its tree in 0.33",
        },
    )

    def problems(self, request: EngineRequest) -> Iterator[Problem]:
        yield from streaming_problems(request)
        yield from extra_argument_problems(request, flags("vllm"), negated=True)

    def warnings(self, request: EngineRequest) -> Iterator[str]:
        return streaming_warnings(request)

    def render(self, request: EngineRequest) -> ContainerSpec:
        settings: VllmSettings = request.settings
        arguments, extra = (weights_address(request), *_arguments(request, settings)), settings.extra_arguments
        return ContainerSpec(
            image=image("vllm", settings.image, request.registry),
            # Not the image's entrypoint, which has changed between versions.
            command=("vllm", "serve"),
            arguments=(*arguments, *_node(request, "0"), *extra),
            environment={
                **python_environment(request.cache_path),
                # What torch compiled outlives the pod when this folder does: a large model then starts in a tenth.
                "VLLM_CACHE_ROOT": f"{request.cache_path}/vllm",
                "VLLM_NO_USAGE_STATS": "1",
            },
            ports={"http": request.port},
            endpoints=endpoints(request),
            # Not /v1/models: that asks for the engine's key.
            readiness_path="/health",
            liveness_path="/health",
            probes=PROBES,
            metrics_path="/metrics",
            running_metric="vllm:num_requests_running",
            queued_metric="vllm:num_requests_waiting",
            kv_usage_metric="vllm:kv_cache_usage_perc",
            latency_metric="vllm:time_to_first_token_seconds",
            drains_on_sigterm=True,
            stop_margin_seconds=STOP_MARGIN_SECONDS,
            key_file=None,
            key_file_content=None,
            key_environment="VLLM_API_KEY",
            files={},
            further_weights=further_weights(request),
            adapter_names={name: name for name in request.adapters},
            writable_paths=writable_paths(request),
            shared_memory_gib=shared_memory_gib(request),
            user=USER,
            streams_weights=settings.stream_weights,
            # Without the server of its API.
            worker_arguments=(*arguments, *_node(request, NODE_RANK), "--headless", *extra)
            if request.parallel.nodes > 1
            else (),
        )


def _node(request: EngineRequest, rank: str) -> Iterator[str]:
    """One of several nodes. Processes of its own, and no Ray: whoever reaches a Ray cluster runs code in it."""
    if request.parallel.nodes > 1:
        yield from ("--distributed-executor-backend", "mp", "--nnodes", str(request.parallel.nodes))
        yield from ("--node-rank", rank, "--master-addr", LEADER_ADDRESS, "--master-port", str(MEETING_PORT))
        yield from ("--distributed-timeout-seconds", str(MEETING_SECONDS))


def _arguments(request: EngineRequest, settings: VllmSettings) -> Iterator[str]:
    spread = request.parallel
    yield from ("--served-model-name", request.model)
    yield from ("--host", request.host, "--port", request.port)
    yield from ("--max-model-len", str(request.context_tokens))
    # Both: their defaults depend on the card. Sequences are counted in each data-parallel rank, and a step must have
    # room for one token of each; an embedding model reads a prompt in one step.
    yield from ("--max-num-seqs", str(-(-request.concurrent_requests // spread.data)))
    whole_prompt = request.context_tokens if request.task == "embed" else 0
    batch = max(settings.prefill_batch_tokens, request.concurrent_requests, whole_prompt)
    yield from ("--max-num-batched-tokens", str(batch))
    if settings.queued_requests is not None:
        # It counts those that run, too, over all ranks.
        yield from ("--max-num-queued-reqs", str(request.concurrent_requests + settings.queued_requests))
    yield from ("--gpu-memory-utilization", f"{settings.gpu_memory_percent / 100:.2f}")
    # Its default, 0, aborts every running request.
    yield from ("--shutdown-timeout", str(request.longest_generation_seconds))
    yield from ("--disable-access-log-for-endpoints", "/health,/metrics")
    yield from ("--tensor-parallel-size", str(spread.tensor))
    if spread.pipeline > 1:
        yield from ("--pipeline-parallel-size", str(spread.pipeline))
    if spread.data > 1:
        yield from ("--data-parallel-size", str(spread.data))
    if spread.expert > 1:
        yield "--enable-expert-parallel"
    yield from loader_arguments(request, settings.load_format)
    if not settings.cuda_graphs:
        yield "--enforce-eager"
    if request.task == "embed":
        yield from ("--runner", "pooling")
    yield from _features(request)


def _features(request: EngineRequest) -> Iterator[str]:
    words = Vllm.capabilities
    if request.precision:
        yield from ("--dtype", words.precision[request.precision])
    if request.quantization:
        yield from ("--quantization", words.quantization[request.quantization])
    if request.kv_dtype:
        yield from ("--kv-cache-dtype", words.kv_dtype[request.kv_dtype])
    if not request.prefix_cache:
        yield "--no-enable-prefix-caching"
    if request.structured_output:
        backend = words.structured_output[request.structured_output]
        yield from ("--structured-outputs-config", json.dumps({"backend": backend}))
    if request.tool_calls:
        yield from ("--enable-auto-tool-choice", "--tool-call-parser", words.tool_calls[request.tool_calls])
    if request.reasoning:
        yield from ("--reasoning-parser", words.reasoning[request.reasoning])
    if adapters := request.adapters:
        rank = max(adapter.rank for adapter in adapters.values())
        yield from ("--enable-lora", "--max-loras", str(len(adapters)))
        yield from ("--max-lora-rank", str(next(known for known in LORA_RANKS if known >= rank)))
        yield from ("--lora-modules", *(f"{name}={adapter.path}" for name, adapter in adapters.items()))
    if draft := request.speculative:
        config: dict[str, Any] = {"method": words.speculative[draft.method]}
        if draft.draft_path:
            config["model"] = draft.draft_path
        yield from ("--speculative-config", json.dumps({**config, "num_speculative_tokens": draft.draft_tokens}))


ENGINE = Vllm()
