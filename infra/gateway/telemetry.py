"""What can be seen from outside: metrics and traces."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.gateway.address import Url
from infra.gateway.secret import SecretSettings
from infra.settings import Settings


class MetricsSettings(Settings):
    """Metrics of the operations port, for Prometheus."""

    clients: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="How many clients have a label of their own; all others are counted together as `other`.",
    )


class TracesSettings(Settings):
    """Spans to an OTLP/HTTP collector; never any prompt text."""

    url: Url = Field(description="The collector, such as http://127.0.0.1:4318/v1/traces.")
    percent: float = Field(default=1.0, ge=0, le=100, description="Share of requests that is traced, in percent.")
    parent: Literal["follow", "ignore"] = Field(
        default="follow", description="Whether a caller's own decision (`traceparent`) counts instead of `percent`."
    )
    authorization: SecretSettings | None = Field(
        default=None, description="The value of the `Authorization` header for the collector; unset, none."
    )
    service_name: str = Field(
        default="slipway-gateway", min_length=1, max_length=128, description="The `service.name` of its spans."
    )
    queue_requests: int = Field(
        default=2048, ge=1, le=100_000, description="Requests whose spans may wait for the collector; more are dropped."
    )
