"""The schema's root: what a user writes under `slipway:deployment`. Unions come from the registries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infra.engines.base import EngineSettings
from infra.engines.features import (
    AdapterSettings,
    KvDtype,
    Precision,
    Quantization,
    Reasoning,
    SpeculativeSettings,
    StructuredOutput,
    ToolCalls,
)
from infra.gateway.config import ClientPrivacySettings, GatewaySettings, PriceSettings, QuotaSettings
from infra.platforms.base import PlatformSettings
from infra.settings import Name, OneOf, Settings
from infra.sources.base import SourceSettings
from infra.topologies.base import TopologySettings
from infra.topologies.monolithic import MonolithicSettings

PROJECT = "slipway"
DEPLOYMENT_KEY = f"{PROJECT}:deployment"
# Secrets live beside the deployment, never in it: Pulumi returns secrets nested in an object as plain text.
CLIENT_KEYS_KEY = f"{PROJECT}:client_keys"
HUGGINGFACE_TOKEN_KEY = f"{PROJECT}:huggingface_token"


class SiteSettings(Settings):
    """One place where serving runs."""

    platform: Annotated[PlatformSettings, OneOf("infra.platforms:PLATFORMS")] = Field(
        description="What kind of place this is."
    )


class ModelSettings(Settings):
    """One model deployment: weights at a fixed revision and the engine that runs them."""

    source: Annotated[SourceSettings, OneOf("infra.sources:SOURCES")] = Field(
        description="Where the weights come from, at a fixed version."
    )
    engine: Annotated[EngineSettings, OneOf("infra.engines:ENGINES")] = Field(description="What runs the weights.")
    task: Literal["generate", "embed"] = Field(
        default="generate",
        description="`generate` serves chat and text completions; `embed` serves embeddings.",
    )
    context_tokens: int = Field(
        default=4096,
        ge=16,
        le=10_000_000,
        description="Tokens that prompt and answer of one request may have together.",
    )
    concurrent_requests: int = Field(
        default=4, ge=1, le=4096, description="Requests that one engine answers at the same time; more wait."
    )
    max_output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Longest answer a request may ask for, in tokens; unset, half of `context_tokens`.",
    )
    precision: Precision | None = Field(
        default=None, description="Precision of weights and computation; unset, that of the checkpoint."
    )
    quantization: Quantization | None = Field(
        default=None,
        description="Quantises weights while they are loaded; unset, none. One that the checkpoint has is always used.",
    )
    kv_dtype: KvDtype | None = Field(
        default=None,
        description="Precision of the KV cache; `fp8` and `int8` halve its memory. Unset, that of the computation.",
    )
    prefix_cache: bool = Field(
        default=True, description="Whether the KV cache of a prompt's beginning is used again by later requests."
    )
    structured_output: StructuredOutput | None = Field(
        default=None, description="What makes answers follow a JSON schema or grammar; unset, the engine's choice."
    )
    tool_calls: ToolCalls | None = Field(
        default=None,
        description="Family of models whose way to call tools this one speaks; unset, calls stay text.",
    )
    reasoning: Reasoning | None = Field(
        default=None,
        description="Family of models whose way to mark reasoning this one speaks; unset, it stays in the answer.",
    )
    adapters: dict[Name, AdapterSettings] = Field(
        default_factory=dict, max_length=64, description="LoRA adapters served beside the model, by name."
    )
    speculative: SpeculativeSettings | None = Field(
        default=None, description="Speculative decoding: answers come sooner while the engine is not busy."
    )
    price: PriceSettings | None = Field(
        default=None, description="What its tokens cost; budgets of clients and the audit count with it."
    )
    longest_generation_seconds: int = Field(
        default=120,
        ge=1,
        le=7200,
        description="Longest time one answer may take, in seconds. Every drain time follows from this one number.",
    )


class ClientSettings(QuotaSettings):
    """Who calls. The key is a secret and never written here: it is generated, or set as `slipway:client_keys`."""

    models: list[str] = Field(min_length=1, description="The models this client may use.")
    per_model: dict[Name, QuotaSettings] = Field(
        default_factory=dict, description="Narrower limits for some of its models, by model."
    )
    priority: int = Field(default=0, ge=-100, le=100, description="Where requests wait, higher is served first.")
    privacy: ClientPrivacySettings = Field(
        default_factory=ClientPrivacySettings, description="What happens to personal data in its requests."
    )
    guardrails: str | None = Field(
        default=None, min_length=1, description="Its set of rules, a name below `gateway.guardrails`; unset, none."
    )
    system_policy: str | None = Field(
        default=None,
        min_length=1,
        max_length=65_536,
        description="A text that stands in front of every prompt. A model can be asked to repeat it: no secret in it.",
    )
    cache: bool = Field(
        default=False,
        description="Whether the same request may get the same answer again: at `temperature: 0`, or when it asks so.",
    )


class StackConfig(Settings):
    """One deployment: how, where, which models, for whom."""

    topology: Annotated[TopologySettings, OneOf("infra.topologies:TOPOLOGIES")] = Field(
        default_factory=lambda: MonolithicSettings(kind="monolithic"),
        description="How models spread over sites.",
    )
    sites: dict[Name, SiteSettings] = Field(min_length=1, description="The places where serving runs, by name.")
    models: dict[Name, ModelSettings] = Field(
        min_length=1, description="The models that are served, by the name that clients send."
    )
    clients: dict[Name, ClientSettings] = Field(min_length=1, description="Who may call, by name.")
    gateway: GatewaySettings = Field(
        default_factory=GatewaySettings,
        description="The policy gateway: audit, privacy, guardrails, cache, identity, traces.",
    )
