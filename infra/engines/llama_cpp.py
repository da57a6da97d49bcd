"""Engine `llama_cpp`: llama.cpp's `llama-server`, for one GGUF file on processors or GPUs of any make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from infra.engines.base import EngineRequest, EngineSettings
from infra.plan.types import ContainerSpec
from infra.problems import Problem


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
    kv_cache_type: Literal["f16", "q8_0"] = Field(
        default="f16", description="Precision of the KV cache; `q8_0` halves its memory."
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

    def problems(self, request: EngineRequest) -> Iterator[Problem]:
        weights = request.weights
        name = weights.file or weights.location
        if weights.sha256 is None:
            yield Problem(
                where=f"{request.where}.source.file",
                found="a whole repository",
                allowed="one GGUF file: `file` and its `sha256`",
                remedy="name the GGUF file of the repository that you want",
            )
        elif not name.lower().endswith(".gguf"):
            yield Problem(
                where=f"{request.where}.source.{'path' if weights.file is None else 'file'}",
                found=f"`{name}`",
                allowed="a file that ends in `.gguf`",
                remedy="choose a GGUF build of the model, which is the only format llama.cpp reads",
            )

    def render(self, request: EngineRequest) -> ContainerSpec:
        settings: LlamaCppSettings = request.settings
        slots = request.concurrent_requests
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
            *("--cache-type-k", settings.kv_cache_type, "--cache-type-v", settings.kv_cache_type),
            *("--cache-ram", str(settings.host_prompt_cache_mebibytes)),
            *("--offline", "--metrics", "--no-ui", "--no-slots"),
        ]
        if request.task == "embed":
            arguments += ["--embeddings", "--pooling", "mean"]
        return ContainerSpec(
            command=("llama-server",),
            arguments=tuple(arguments),
            environment={},
            endpoints=("embeddings",) if request.task == "embed" else ("chat_completions", "completions"),
            readiness_path="/health",
            liveness_path="/health",
            metrics_path="/metrics",
            running_metric="llamacpp:requests_processing",
            queued_metric="llamacpp:requests_deferred",
            drains_on_sigterm=False,
        )


ENGINE = LlamaCpp()
