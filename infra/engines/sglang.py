"""Engine `sglang`: SGLang's server, for whole Hugging Face repositories and GGUF files on GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field

from infra.engines.arguments import extra_argument_problems
from infra.engines.base import Capabilities, EngineRequest
from infra.engines.catalogue import flags, image
from infra.engines.container import (
    LEADER_ADDRESS,
    MEETING_PORT,
    MEETING_SECONDS,
    NODE_RANK,
    READINESS,
    STARTUP,
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
from infra.plan.types import ContainerSpec, Probe, Probes
from infra.problems import Problem

# `/health` generates a token, sleeps a second at least, and answers 503 only after this time.
HEALTH_TIMEOUT_SECONDS = 20
PROBES = Probes(
    startup=STARTUP,
    readiness=READINESS,
    liveness=Probe(period_seconds=30, timeout_seconds=HEALTH_TIMEOUT_SECONDS + 5, failures=3),
)
# It looks for the signal every 5 s, for idleness every 5 s, and gives its schedulers 15 s.
STOP_MARGIN_SECONDS = 30


class SglangSettings(StreamingEngineSettings):
    """SGLang. What every engine shares (context, concurrency, adapters …) is set on the model."""

    kind: Literal["sglang"] = Field(description="SGLang's server, for Hugging Face repositories and GGUF on GPUs.")
    static_memory_percent: int | None = Field(
        default=None,
        ge=10,
        le=99,
        description="Part of each GPU's memory for weights and KV cache; unset, SGLang's choice, small on small cards.",
    )
    prefill_batch_tokens: int = Field(
        default=8192,
        ge=256,
        le=1_048_576,
        description="Tokens of a prompt computed in one step: more serves prompts sooner, and needs more memory.",
    )
    queued_requests: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Requests that may wait in the engine; above that it answers 503. Unset, no limit of its own.",
    )
    load_format: Literal["auto", "safetensors", "runai_streamer", "fastsafetensors"] = Field(
        default="auto",
        description="How weights are read; `runai_streamer` and `fastsafetensors` load large models sooner.",
    )
    cuda_graphs: bool = Field(
        default=True,
        description="Whether steps are recorded as CUDA graphs; without, the start is sooner, steps slower.",
    )


class Sglang:
    """Implements the engine `sglang` (flags of SGLang 0.5.23)."""

    settings = SglangSettings
    # Words: the choices in `infra/catalog/engine_flags.json`.
    capabilities = Capabilities(
        weights=("repository", "gguf"),
        tasks=("generate", "embed"),
        adapters=True,
        # Named for it in Model Optimizer's guide of unified checkpoints, read 2026-11-26.
        modelopt=("fp8", "nvfp4"),
        parallel=("nodes", "tensor", "pipeline", "data", "expert"),
        precision={"bfloat16": "bfloat16", "float16": "float16", "float32": "float32"},
        quantization={"fp8": "fp8", "bitsandbytes": "bitsandbytes"},
        kv_dtype={"bfloat16": "bfloat16", "fp8": "fp8_e4m3"},
        structured_output={"xgrammar": "xgrammar", "llguidance": "llguidance", "outlines": "outlines"},
        tool_calls={
            "hermes": "qwen25",
            "qwen3_coder": "qwen3_coder",
            "llama3": "llama3",
            "mistral": "mistral",
            "deepseek_v3": "deepseekv3",
            "deepseek_v31": "deepseekv31",
            "gpt_oss": "gpt-oss",
            "glm45": "glm45",
            "kimi_k2": "kimi_k2",
        },
        reasoning={
            "deepseek_r1": "deepseek-r1",
            "qwen3": "qwen3",
            "gpt_oss": "gpt-oss",
            "glm45": "glm45",
            "kimi_k2": "kimi_k2",
            "mistral": "mistral",
        },
        speculative={"ngram": "NGRAM", "draft_model": "STANDALONE", "eagle3": "EAGLE3", "mtp": "NEXTN"},
    )

    def problems(self, request: EngineRequest) -> Iterator[Problem]:
        settings: SglangSettings = request.settings
        if request.quantization == "bitsandbytes" and settings.load_format != "auto":
            yield Problem(
                where=f"{request.where}.engine.load_format",
                found=f"`{settings.load_format}`, with `quantization: bitsandbytes`",
                allowed="`auto`: SGLang quantises with a loader of its own",
                remedy="remove `load_format`, or choose another `quantization`",
            )
        if request.quantization == "bitsandbytes" and settings.stream_weights:
            yield Problem(
                where=f"{request.where}.engine.stream_weights",
                found="`quantization: bitsandbytes`, which SGLang does with a loader of its own",
                allowed="weights that are fetched",
                remedy="remove `stream_weights`, or choose another `quantization`",
            )
        yield from streaming_problems(request)
        yield from extra_argument_problems(request, flags("sglang"))

    def warnings(self, request: EngineRequest) -> Iterator[str]:
        return streaming_warnings(request)

    def render(self, request: EngineRequest) -> ContainerSpec:
        settings: SglangSettings = request.settings
        return ContainerSpec(
            image=image("sglang", settings.image, request.registry),
            command=("python3", "-m", "sglang.launch_server"),
            arguments=(*_arguments(request, settings), *_node(request, "0"), *settings.extra_arguments),
            environment={
                **python_environment(request.cache_path),
                "SGLANG_HEALTH_CHECK_TIMEOUT": str(HEALTH_TIMEOUT_SECONDS),
            },
            ports={"http": request.port},
            endpoints=endpoints(request),
            # Cheap, and 503 while it starts or drains; `/health` costs a token and seconds.
            readiness_path="/ready",
            liveness_path="/health",
            probes=PROBES,
            metrics_path="/metrics",
            running_metric="sglang:num_running_reqs",
            queued_metric="sglang:num_queue_reqs",
            kv_usage_metric="sglang:token_usage",
            latency_metric="sglang:time_to_first_token_seconds",
            drains_on_sigterm=True,
            stop_margin_seconds=STOP_MARGIN_SECONDS,
            # A flag of its own would show the key in the process list; a `--config` file does not.
            key_file=_key_file(request),
            key_file_content='api-key: "{key}"\n',
            key_environment=None,
            files={},
            further_weights=further_weights(request),
            # Here a colon means `model:adapter`.
            adapter_names={name: f"{request.model}:{name}" for name in request.adapters},
            writable_paths=writable_paths(request),
            shared_memory_gib=shared_memory_gib(request),
            user=USER,
            streams_weights=settings.stream_weights,
            worker_arguments=_worker_arguments(request, settings),
        )


def _worker_arguments(request: EngineRequest, settings: SglangSettings) -> tuple[str, ...]:
    """Those of a node without the API: what it still serves of its own health is for itself, and asks for no key."""
    if request.parallel.nodes == 1:
        return ()
    here = replace(request, host="127.0.0.1")
    return (
        *_arguments(here, settings, keyed=False),
        *_node(request, NODE_RANK),
        *settings.extra_arguments,
    )


def _node(request: EngineRequest, rank: str) -> Iterator[str]:
    if request.parallel.nodes > 1:
        yield from ("--nnodes", str(request.parallel.nodes), "--node-rank", rank)
        yield from ("--dist-init-addr", f"{LEADER_ADDRESS}:{MEETING_PORT}", "--dist-timeout", str(MEETING_SECONDS))


def _key_file(request: EngineRequest) -> str:
    """It takes an options file of this ending only."""
    return f"{request.key_file}.yaml"


def _arguments(request: EngineRequest, settings: SglangSettings, *, keyed: bool = True) -> Iterator[str]:
    spread = request.parallel
    yield from ("--model-path", weights_address(request))
    yield from ("--served-model-name", request.model)
    # Its default is loopback: a container that nobody reaches.
    yield from ("--host", request.host, "--port", request.port)
    if keyed:
        yield from ("--config", _key_file(request))
    yield from ("--context-length", str(request.context_tokens))
    yield from ("--max-running-requests", str(request.concurrent_requests))
    yield from ("--chunked-prefill-size", str(settings.prefill_batch_tokens))
    if settings.queued_requests is not None:
        yield from ("--max-queued-requests", str(settings.queued_requests))
    if settings.static_memory_percent is not None:
        yield from ("--mem-fraction-static", f"{settings.static_memory_percent / 100:.2f}")
    # Off by default.
    yield "--enable-metrics"
    yield from ("--tp-size", str(spread.tensor))
    if spread.pipeline > 1:
        yield from ("--pp-size", str(spread.pipeline))
    if spread.data > 1:
        yield from ("--dp-size", str(spread.data))
    if spread.expert > 1:
        yield from ("--ep-size", str(spread.expert))
    load_format = "bitsandbytes" if request.quantization == "bitsandbytes" else settings.load_format
    yield from loader_arguments(request, load_format)
    if not settings.cuda_graphs:
        # `--disable-cuda-graph` is on its way out.
        yield from ("--cuda-graph-backend-decode", "disabled", "--cuda-graph-backend-prefill", "disabled")
    if request.task == "embed":
        yield "--is-embedding"
    yield from _features(request)


def _features(request: EngineRequest) -> Iterator[str]:
    words = Sglang.capabilities
    if request.precision:
        yield from ("--dtype", words.precision[request.precision])
    if request.quantization:
        yield from ("--quantization", words.quantization[request.quantization])
    if request.kv_dtype:
        yield from ("--kv-cache-dtype", words.kv_dtype[request.kv_dtype])
    if not request.prefix_cache:
        yield "--disable-radix-cache"
    if request.structured_output:
        yield from ("--grammar-backend", words.structured_output[request.structured_output])
    if request.tool_calls:
        yield from ("--tool-call-parser", words.tool_calls[request.tool_calls])
    if request.reasoning:
        yield from ("--reasoning-parser", words.reasoning[request.reasoning])
    if adapters := request.adapters:
        yield from ("--enable-lora", "--max-loras-per-batch", str(len(adapters)))
        yield from ("--max-lora-rank", str(max(adapter.rank for adapter in adapters.values())))
        yield from ("--lora-paths", *(f"{name}={adapter.path}" for name, adapter in adapters.items()))
    if draft := request.speculative:
        yield from ("--speculative-algorithm", words.speculative[draft.method])
        if draft.draft_path:
            yield from ("--speculative-draft-model-path", draft.draft_path)
        # A chain, not a tree: then it checks what was drafted and one token more. Of its own, n-grams branch by ten,
        # which leaves no step for a short draft and is refused with most attention backends.
        if draft.method == "ngram":
            yield from ("--speculative-ngram-max-bfs-breadth", "1")
        else:
            yield from ("--speculative-num-steps", str(draft.draft_tokens), "--speculative-eagle-topk", "1")
        yield from ("--speculative-num-draft-tokens", str(draft.draft_tokens + 1))


ENGINE = Sglang()
