"""Engine `llama_cpp`: llama.cpp's `llama-server`, for one GGUF file on processors or GPUs of any make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from pydantic import Field

from infra.engines.arguments import extra_argument_problems
from infra.engines.base import Capabilities, EngineRequest, EngineSettings
from infra.engines.catalogue import flags, image
from infra.engines.container import LIVENESS, READINESS, STOP_MARGIN_SECONDS, USER, endpoints, further_weights
from infra.engines.features import Reasoning, ToolCalls
from infra.plan.types import ContainerSpec, Probe, Probes
from infra.problems import Problem

PROBES = Probes(
    startup=Probe(period_seconds=5, timeout_seconds=5, failures=None), readiness=READINESS, liveness=LIVENESS
)


class LlamaCppSettings(EngineSettings):
    """llama.cpp. What every engine shares (context, concurrency) is set on the model."""

    kind: Literal["llama_cpp"] = Field(description="llama.cpp's server, for GGUF weights.")
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Processor threads per engine; unset, one less than there are cores, at least one. With all of "
        "them, llama.cpp collapses as soon as anything else runs: its threads wait for each other.",
    )
    gpu_layers: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Layers kept on GPUs; 0 serves from the processor, 1000 means all.",
    )
    host_prompt_cache_mebibytes: int = Field(
        default=0,
        ge=0,
        le=1_048_576,
        description="Memory for prompts kept outside the slots. llama.cpp itself would take 8192.",
    )


class LlamaCpp:
    """Implements the engine `llama_cpp` (flags of llama.cpp 0c1e570, 2026-10-01)."""

    settings = LlamaCppSettings
    capabilities = Capabilities(
        program="llama-server",
        weights=("gguf",),
        tasks=("generate", "embed"),
        # Layers, spread over the GPUs that it sees.
        parallel=("pipeline",),
        kv_dtype={"float16": "f16", "bfloat16": "bf16", "int8": "q8_0"},
        # It reads both from the chat template in the file, whatever the family.
        tool_calls=dict.fromkeys(get_args(ToolCalls), "jinja"),
        reasoning=dict.fromkeys(get_args(Reasoning), "auto"),
        speculative={
            "ngram": "ngram-simple",
            "draft_model": "draft-simple",
            "eagle3": "draft-eagle3",
            "mtp": "draft-mtp",
        },
        why_not={
            "repository": "llama.cpp reads GGUF files only",
            "file": "llama.cpp reads GGUF files only",
            "nodes": "llama-server shares its memory between the GPUs of one machine",
            "precision": "a GGUF file has its precision inside",
            "quantization": "a GGUF file is quantised when it is made",
            "structured_output": "llama.cpp has one grammar engine, its own",
            "adapters": "llama.cpp serves no adapter under a name of its own",
        },
    )

    def problems(self, request: EngineRequest) -> Iterator[Problem]:
        yield from extra_argument_problems(request, flags("llama_cpp"))
        for index, argument in enumerate(request.settings.extra_arguments):
            # Flag and value become two words here: such a value would be a flag that nobody has checked.
            if re.match(r"-+[A-Za-z]", argument.partition("=")[2]):
                yield Problem(
                    where=f"{request.where}.engine.extra_arguments[{index}]",
                    found=f"`{argument}`, whose value looks like a flag",
                    allowed="a value that does not begin with `-` and a letter",
                    remedy="write each flag as an item of its own",
                )

    def warnings(self, request: EngineRequest) -> Iterator[str]:
        return iter(())

    def render(self, request: EngineRequest) -> ContainerSpec:
        settings: LlamaCppSettings = request.settings
        slots = request.concurrent_requests
        kv_dtype = self.capabilities.kv_dtype[request.kv_dtype or "float16"]
        arguments = [
            *("--model", request.weights_path),
            *("--alias", request.model),
            *("--host", request.host),
            *("--port", request.port),
            *("--api-key-file", request.key_file),
            # With --parallel set, llama.cpp splits --ctx-size over the slots.
            *("--ctx-size", str(request.context_tokens * slots)),
            *("--parallel", str(slots)),
            *("--threads", request.threads if settings.threads is None else str(settings.threads)),
            *("--n-gpu-layers", str(settings.gpu_layers)),
            # A model that does not fit must fail; by default llama.cpp shrinks the context instead.
            *("--fit", "off"),
            *("--cache-type-k", kv_dtype, "--cache-type-v", kv_dtype),
            *("--cache-ram", str(settings.host_prompt_cache_mebibytes)),
            *("--offline", "--metrics", "--no-ui", "--no-slots"),
        ]
        if request.task == "embed":
            arguments += ["--embeddings", "--pooling", "mean"]
        return ContainerSpec(
            image=image("llama_cpp_cuda" if settings.gpu_layers else "llama_cpp", settings.image, request.registry),
            command=("/app/llama-server",),
            arguments=(*arguments, *_features(request), *_separated(settings.extra_arguments)),
            environment={},
            ports={"http": request.port},
            endpoints=endpoints(request),
            # 503 until the model is loaded.
            readiness_path="/health",
            liveness_path="/health",
            probes=PROBES,
            metrics_path="/metrics",
            running_metric="llamacpp:requests_processing",
            queued_metric="llamacpp:requests_deferred",
            kv_usage_metric=None,
            latency_metric=None,
            # It ends at once and cuts every stream.
            drains_on_sigterm=False,
            stop_margin_seconds=STOP_MARGIN_SECONDS,
            key_file=request.key_file,
            key_file_content="{key}\n",
            key_environment=None,
            files={},
            further_weights=further_weights(request),
            adapter_names={},
            writable_paths=("/tmp",),  # noqa: S108 - in the container, where a folder of its own is mounted
            shared_memory_gib=0,
            user=USER,
        )


def _features(request: EngineRequest) -> Iterator[str]:
    words = LlamaCpp.capabilities
    if request.parallel.pipeline > 1:
        yield from ("--split-mode", "layer")
    if not request.prefix_cache:
        yield "--no-cache-prompt"
    if request.tool_calls:
        yield "--jinja"
    if request.reasoning:
        yield from ("--reasoning-format", words.reasoning[request.reasoning])
    if draft := request.speculative:
        yield from ("--spec-type", words.speculative[draft.method])
        if draft.draft_path:
            yield from ("--spec-draft-model", draft.draft_path)
        length = "--spec-ngram-simple-size-m" if draft.method == "ngram" else "--spec-draft-n-max"
        yield from (length, str(draft.draft_tokens))


def _separated(extra_arguments: Sequence[str]) -> Iterator[str]:
    """Flag and value as two words: llama.cpp knows no `--flag=value`."""
    for argument in extra_arguments:
        flag, equals, value = argument.partition("=")
        yield flag
        if equals:
            yield value


ENGINE = LlamaCpp()
