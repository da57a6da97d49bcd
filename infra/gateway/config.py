"""The gateway's part of a deployment: prices and quotas, privacy, audit, identity, traces. Files hold no secret."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from infra.gateway.cache import CacheSettings, MemoryCacheSettings
from infra.gateway.guardrails import GuardrailSettings, LinearPattern, RuleName
from infra.settings import Settings

Mode = Literal["off", "tokenise", "mask", "block"]
# Becomes a placeholder's label, and so a part of what a stream holds back.
KindName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,23}$")]
# What the gateway finds by itself; a contract test holds this against the gateway's own list.
PRIVACY_KINDS = (
    *("email", "phone", "card", "iban", "ip", "secret"),
    *("us_ssn", "de_steuer_id", "uk_nino", "es_dni", "fr_nir", "it_codice_fiscale", "nl_bsn", "pl_pesel"),
)
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


class ClientPrivacySettings(Settings):
    """What happens to personal data and secrets in a client's requests."""

    mode: Mode = Field(
        default="off",
        description="`tokenise` puts placeholders in and the values back into the answer, `mask` only takes them out, "
        "`block` refuses the request.",
    )
    kinds: dict[str, Mode] = Field(default_factory=dict, description="Another mode for some kinds, such as `ip: off`.")
    scan_output: Literal["off", "mask", "block"] = Field(
        default="off", description="What happens to personal data that the model itself writes."
    )
    media: Literal["refuse", "allow"] = Field(
        default="refuse", description="Images, sound and files cannot be scanned; `allow` lets them pass all the same."
    )


class PrivacySettings(Settings):
    """What all clients' privacy shares."""

    patterns: dict[KindName, LinearPattern] = Field(
        default_factory=dict, description="Own kinds, by name: a regular expression (RE2 syntax) for each."
    )


class AuditSettings(Settings):
    """One row per request, chained and signed. No prompt is in it."""

    sync: Literal["batched", "every_row"] = Field(
        default="batched",
        description="`every_row` completes an answer only when its row is on disk; `batched` may lose the last "
        "milliseconds with the power.",
    )
    retention_days: float | None = Field(
        default=None, ge=0.01, le=36_500, description="Days after which whole segments are removed; unset, never."
    )


class ClaimRuleSettings(Settings):
    """Which tokens belong to which client."""

    claim: str = Field(min_length=1, max_length=1024, description="Name of the claim, such as `azp` or `groups`.")
    matches: str = Field(min_length=1, max_length=1024, description="Its value; one `*` stands for any text.")
    client: str = Field(min_length=1, description="The client of this deployment that such a token is.")


class IssuerSettings(Settings):
    """One issuer of JSON Web Tokens, such as an OpenID Connect provider."""

    issuer: str = Field(min_length=1, max_length=1024, description="The `iss` claim, exactly.")
    audience: list[str] = Field(min_length=1, description="Accepted `aud` claims.")
    jwks_url: str = Field(pattern=r"^https://", description="Where its public keys are; https only.")
    algorithms: list[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]] = Field(
        default_factory=lambda: ["RS256"],
        min_length=1,
        description="Accepted signature algorithms; public-key ones only.",
    )
    leeway_seconds: float = Field(default=30, ge=0, le=300, description="Tolerated difference of clocks, in seconds.")
    clients: list[ClaimRuleSettings] = Field(
        min_length=1, description="Rules from claims to clients; the first counts."
    )


class TracesSettings(Settings):
    """Spans to an OTLP/HTTP collector; never any prompt text."""

    url: str = Field(pattern=r"^https?://", description="The collector, such as http://127.0.0.1:4318/v1/traces.")
    percent: float = Field(default=1.0, ge=0, le=100, description="Share of requests that is traced, in percent.")


class GatewaySettings(Settings):
    """The policy gateway in front of every engine."""

    audit: AuditSettings | None = Field(
        default_factory=lambda: AuditSettings(), description="The audit; `null` keeps none, which the plan warns of."
    )
    privacy: PrivacySettings = Field(default_factory=PrivacySettings, description="What all clients' privacy shares.")
    guardrails: dict[RuleName, GuardrailSettings] = Field(
        default_factory=dict, description="Sets of rules about prompts and answers, by the name that clients give."
    )
    cache: CacheSettings = Field(
        default_factory=lambda: MemoryCacheSettings(kind="memory"),
        description="Where answers are kept for clients with `cache: true`.",
    )
    issuers: dict[str, IssuerSettings] = Field(
        default_factory=dict, description="Issuers of tokens that are accepted beside keys, by name."
    )
    traces: TracesSettings | None = Field(default=None, description="Where traces go; unset, nowhere.")


def rendered(settings: Settings, *, drop_unset: bool = True) -> dict[str, Any]:
    """Settings as the gateway's file has them: the same names, unset fields left to its defaults."""
    return settings.model_dump(mode="json", exclude_none=drop_unset)
