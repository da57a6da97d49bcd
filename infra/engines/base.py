"""What an engine is: settings a user writes, and a pure `render` from what is wanted to how it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from infra.plan.types import ContainerSpec, Weights
from infra.problems import Problem
from infra.settings import Settings

NONE: Mapping[str, str] = {}

ExtraArgument = Annotated[
    str,
    StringConstraints(pattern=r"^--[a-z][a-zA-Z0-9_-]*(=[^\x00-\x1f\x7f]{1,4096})?$"),
    Field(json_schema_extra={"x-remedy": "write `--flag` or `--flag=value`, one flag in each item"}),
]


class EngineSettings(Settings):
    """Base of every engine's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any
    image: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$",
        description="Image to run, by digest: your mirror or build of the same version; unset, that of slipway's "
        "latest release (from `registry`, if that is set), or while there is none, the catalogue's.",
        json_schema_extra={"x-remedy": "end it with `@sha256:` and the digest's 64 digits"},
    )
    extra_arguments: list[ExtraArgument] = Field(
        default_factory=list,
        description="Further flags of the engine, `--flag` or `--flag=value`; checked against those it takes.",
    )


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A LoRA adapter: its weights, its rank, and where they will be."""

    weights: Weights
    rank: int
    path: str


@dataclass(frozen=True, kw_only=True)
class Speculative:
    """How tokens are drafted. `draft` and `draft_path` are None where the model needs no other weights."""

    method: str
    draft_tokens: int
    draft: Weights | None
    draft_path: str | None


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Over how many GPUs, on how many machines, one replica is spread, and how. Decided by the planner, not by a
    user."""

    nodes: int = 1
    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: int = 1


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """What a model wants of an engine, in words that every engine shares. None is the engine's own choice.

    `host`, `port`, `weights_path`, `key_file`, `threads` (for settings that name none) and `cache_path` are what the
    platform gives the process: fixed values in a container, placeholders where only whoever starts it knows them.
    `where` is the model's path in the configuration, for problems. `registry` has copies of a release's images.
    """

    where: str
    model: str
    settings: Any
    task: str
    context_tokens: int
    concurrent_requests: int
    longest_generation_seconds: int
    weights: Weights
    host: str
    port: str
    weights_path: str
    key_file: str
    threads: str
    cache_path: str
    precision: str | None = None
    quantization: str | None = None
    kv_dtype: str | None = None
    prefix_cache: bool = True
    structured_output: str | None = None
    tool_calls: str | None = None
    reasoning: str | None = None
    adapters: Mapping[str, Adapter] = field(default_factory=dict[str, Adapter])
    speculative: Speculative | None = None
    parallel: Parallel = Parallel()
    registry: str | None = None


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an engine has of what a model may ask for: each word of ours with the engine's own for it.

    `program` is the engine's name where it also runs as a plain process, None where only its image runs it. `why_not`
    holds reasons for what is missing, by field of the model or form of weights. With `compressed_tensors` it loads what
    llm-compressor writes, without being told; likewise what NVIDIA's Model Optimizer writes by the schemes `modelopt`.
    `sized_as` is the engine of ours whose memory and speed it has, such as the one that it is a build of; None: its own
    figures, if there are any.
    """

    program: str | None = None
    sized_as: str | None = None
    weights: tuple[str, ...]
    tasks: tuple[str, ...] = ("generate",)
    adapters: bool = False
    compressed_tensors: bool = False
    modelopt: tuple[str, ...] = ()
    parallel: tuple[str, ...] = ()
    precision: Mapping[str, str] = field(default_factory=lambda: NONE)
    quantization: Mapping[str, str] = field(default_factory=lambda: NONE)
    kv_dtype: Mapping[str, str] = field(default_factory=lambda: NONE)
    structured_output: Mapping[str, str] = field(default_factory=lambda: NONE)
    tool_calls: Mapping[str, str] = field(default_factory=lambda: NONE)
    reasoning: Mapping[str, str] = field(default_factory=lambda: NONE)
    speculative: Mapping[str, str] = field(default_factory=lambda: NONE)
    why_not: Mapping[str, str] = field(default_factory=lambda: NONE)


class Engine(Protocol):
    """One kind of engine. Pure: it renders and refuses, it runs nothing."""

    @property
    def settings(self) -> type[EngineSettings]: ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do at all; what it cannot is refused by the planner, with who can."""
        ...

    def problems(self, request: EngineRequest) -> Iterator[Problem]:
        """What is wrong beyond its capabilities: relations between settings, flags it does not take."""
        ...

    def warnings(self, request: EngineRequest) -> Iterator[str]:
        """Named weakenings, one sentence each."""
        ...

    def render(self, request: EngineRequest) -> ContainerSpec:
        """How one replica is run. Called only for requests without problems."""
        ...
