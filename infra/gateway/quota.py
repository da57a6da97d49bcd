"""Who may spend how much: prices, quotas, and where what was spent is counted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infra.gateway.secret import AbsolutePath, SecretSettings
from infra.settings import Settings

Amount = Annotated[int, Field(ge=1, le=10**12)]


class PriceSettings(Settings):
    """What a model's tokens cost; what `dollars_per_month` counts."""

    input_dollars_per_million_tokens: float = Field(ge=0, le=100_000, description="Dollars per million prompt tokens.")
    output_dollars_per_million_tokens: float = Field(ge=0, le=100_000, description="Dollars per million answer tokens.")


class QuotaSettings(Settings):
    """How much. Unset is no limit."""

    requests_per_minute: Amount | None = Field(default=None, description="Requests per minute; unset, no limit.")
    tokens_per_minute: Amount | None = Field(
        default=None, description="Tokens per minute, prompt and answer together; unset, no limit."
    )
    tokens_per_day: Amount | None = Field(
        default=None, description="Tokens per day (UTC), prompt and answer together; unset, no limit."
    )
    concurrent_requests: Amount | None = Field(default=None, description="Requests at the same time; unset, no limit.")
    dollars_per_month: float | None = Field(
        default=None,
        ge=0.01,
        le=1_000_000,
        description="Dollars per month (UTC), by the models' `price`; unset, no limit.",
    )


class MemoryStoreSettings(Settings):
    """In the gateway's own memory."""

    kind: Literal["memory"] = Field(
        description="Each gateway counts for itself, and forgets when it ends. Right for one gateway."
    )


class RedisStoreSettings(Settings):
    """In Redis or Valkey, shared by gateways."""

    kind: Literal["redis"] = Field(description="Gateways count together, in a Redis or Valkey.")
    url: SecretSettings = Field(
        description="Its address with the password in it: one line `redis://`, `rediss://` (TLS) or `unix://`."
    )
    when_away: Literal["closed", "local"] = Field(
        default="closed",
        description="Without it: `closed` refuses requests of clients with limits, `local` gives each gateway its "
        "part of every limit, which the plan warns of.",
    )
    gateways: int = Field(default=1, ge=1, le=10_000, description="How many gateways share it.")
    namespace: str = Field(
        default="slipway",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Begins every key there. Deployments with the same one count together.",
    )
    timeout_seconds: float = Field(
        default=0.25, ge=0.01, le=0.5, description="Longest time for one exchange, in seconds; then it counts as away."
    )
    ca_file: AbsolutePath | None = Field(
        default=None, description="Authorities to trust for `rediss://`, a PEM file; unset, the system's."
    )


LimitsStoreSettings = Annotated[MemoryStoreSettings | RedisStoreSettings, Field(discriminator="kind")]
