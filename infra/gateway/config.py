"""The gateway's part of a deployment. Files hold no secret: `secret.py` says how one is named."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from infra.gateway.audit import AuditSettings
from infra.gateway.bounds import RequestLimitsSettings
from infra.gateway.cache import CacheSettings, MemoryCacheSettings
from infra.gateway.deep_health import DeepHealthSettings
from infra.gateway.guardrails import GuardrailSettings, RuleName
from infra.gateway.identity import IssuerSettings
from infra.gateway.images import ImagesSettings
from infra.gateway.privacy import PrivacySettings
from infra.gateway.quota import LimitsStoreSettings, MemoryStoreSettings
from infra.gateway.secret import SecretSettings
from infra.gateway.telemetry import MetricsSettings, TracesSettings
from infra.gateway.tls import TlsSettings
from infra.settings import Name, Settings

# Where a gateway is when nobody has said otherwise, and the data class that never leaves it.
OWN_BOUNDARY = "local"
RESTRICTED = "restricted"


class ScalingSettings(Settings):
    """`GET /scaling/MODEL` on the operations port, for an autoscaler: requests that are there. With an objective's
    `time_to_first_token_seconds` also `arriving_per_second`, which replicas must take so that 95 % of the last hour's
    requests are in time, and `mean_in_flight` over as long as a replica takes to start."""

    key: SecretSettings | None = Field(
        default=None, description="Who asks must show it (`Authorization: Bearer KEY`); unset, nobody needs one."
    )


class GatewaySettings(Settings):
    """The policy gateway in front of every engine."""

    audit: AuditSettings | None = Field(
        default_factory=lambda: AuditSettings(), description="The audit; `null` keeps none, which the plan warns of."
    )
    privacy: PrivacySettings = Field(default_factory=PrivacySettings, description="What all clients' privacy shares.")
    guardrails: dict[RuleName, GuardrailSettings] = Field(
        default_factory=dict,
        max_length=64,
        description="Sets of rules about prompts and answers, by the name that clients give.",
    )
    cache: CacheSettings = Field(
        default_factory=lambda: MemoryCacheSettings(kind="memory"),
        description="Where answers are kept for clients with `cache: true`; unset, in the gateway's memory.",
    )
    boundary: Name = Field(
        default=OWN_BOUNDARY, description="Where this deployment runs, by a name of your choice, such as `on-prem`."
    )
    data_classes: dict[Name, Annotated[list[Name], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Where requests of each class of data may go: boundaries, by class. `restricted` is always there "
        "and never leaves this deployment's own boundary.",
    )
    limits: RequestLimitsSettings = Field(
        default_factory=RequestLimitsSettings, description="What one request may be, and how slow."
    )
    limits_store: LimitsStoreSettings = Field(
        default_factory=lambda: MemoryStoreSettings(kind="memory"),
        description="Where what clients have used is counted; unset, in the gateway's memory, or, where a "
        "cluster has several gateways, in a Valkey of the site.",
    )
    tls: TlsSettings | None = Field(
        default=None, description="TLS at the API itself; unset, plain HTTP for something in front that ends TLS."
    )
    issuers: dict[str, IssuerSettings] = Field(
        default_factory=dict, description="Issuers of tokens that are accepted beside keys, by name."
    )
    metrics: MetricsSettings = Field(default_factory=MetricsSettings, description="What metrics tell apart.")
    traces: TracesSettings | None = Field(default=None, description="Where traces go; unset, nowhere.")
    images: ImagesSettings = Field(
        default_factory=ImagesSettings, description="Images of what runs in containers beside the engines, by digest."
    )
    deep_health: DeepHealthSettings | None = Field(
        default=None,
        description="Whether models really answer, at `/health/deep`; unset, it is not there. Where it is, a site of "
        "AWS with a standby gives its name away when they do not, and otherwise when no engine is ready.",
    )
    scaling: ScalingSettings = Field(default_factory=ScalingSettings, description="What an autoscaler may ask.")


def rendered(settings: Settings, *, without: set[str] | None = None) -> dict[str, Any]:
    """Settings as the gateway's file has them: the same names; what is unset is left to its defaults."""
    return settings.model_dump(mode="json", exclude_none=True, exclude=without)
