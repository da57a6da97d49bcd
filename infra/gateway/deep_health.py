"""When a site counts as answering, for whoever sends clients to another one: a model's real answer, not its process."""

from __future__ import annotations

from pydantic import Field

from infra.settings import Settings


class DeepHealthSettings(Settings):
    """`GET /health/deep` of the API, for anybody: yes or no. What clients get is its answer; where nobody asked a model
    for a while, one token is asked for."""

    every_seconds: int = Field(
        default=15,
        ge=1,
        le=3600,
        description="How old an answer may be, and so how often one is asked for.",
    )
    timeout_seconds: int = Field(
        default=10, ge=1, le=3600, description="How long one token may take, in seconds; longer is a no."
    )
