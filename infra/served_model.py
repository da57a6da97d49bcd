"""What a user writes of every model that clients may ask for, whoever runs it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infra.gateway.quota import PriceSettings
from infra.gateway.routing import HoldSettings, RoutesSettings, RoutingSettings, ShadowSettings
from infra.releases.base import ReleaseSettings
from infra.settings import OneOf, Settings


class ServedModelSettings(Settings):
    """What a model is to clients, wherever it runs."""

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
    max_output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Longest answer a request may ask for, in tokens; unset, half of `context_tokens`.",
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
    routing: RoutingSettings = Field(
        default_factory=RoutingSettings, description="How its replicas share requests, and when one is left out."
    )
    fallbacks: list[str] = Field(
        default_factory=list,
        max_length=16,
        description="Models of this deployment that serve instead when this one cannot, in this order.",
    )
    routes: RoutesSettings | None = Field(
        default=None, description="Shares of its requests for other models, such as a canary; unset, none."
    )
    shadow: ShadowSettings | None = Field(default=None, description="Copies of requests to another model; unset, none.")
    release: Annotated[ReleaseSettings, OneOf("infra.releases:RELEASES")] | None = Field(
        default=None,
        description="How another model comes to serve its requests, and what rolls that back; unset, none.",
    )
    hold: HoldSettings | None = Field(
        default=None, description="Lets requests wait while no engine is ready; unset, they are refused with 503."
    )

    @property
    def longest_answer_tokens(self) -> int:
        """What a request may ask for."""
        return self.max_output_tokens or self.context_tokens // 2
