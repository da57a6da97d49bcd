"""The gateway's configuration file: its shape, and a strict reader that names every problem it finds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from serving.gateway.audit.config import AuditConfig, problems_of
from serving.gateway.bounds_config import LimitsConfig
from serving.gateway.cache.config import CacheConfig, CacheSetup, MemoryCacheConfig, load_cache
from serving.gateway.config_checks import check_clients, check_model, read_key
from serving.gateway.containment import NOTHING, Contained, read_contained
from serving.gateway.deep_health_config import DeepHealthConfig, check_deep_health
from serving.gateway.engine_trust import EngineTrust
from serving.gateway.guardrails.config import GuardrailsConfig, RuleName, SystemPolicy
from serving.gateway.guardrails.load import load_guardrails
from serving.gateway.guardrails.rules import ClientGuardrails
from serving.gateway.identity.config import ApiKeyConfig, IdentityConfig, check_identity
from serving.gateway.identity.key_folder import read_key_folder
from serving.gateway.limits.config import LimitsStoreConfig, MemoryStoreConfig, PriceConfig, QuotaConfig, check_limits
from serving.gateway.privacy.config import ClientPrivacyConfig, PrivacyConfig
from serving.gateway.privacy.load import load_privacy
from serving.gateway.privacy.rules import PrivacySetup
from serving.gateway.releases import Released, with_releases
from serving.gateway.routing.checks import check_routing
from serving.gateway.routing.config import (
    Name,
    OverflowConfig,
    RoutesConfig,
    RoutingConfig,
    ShadowConfig,
    UpstreamConfig,
    UpstreamTls,
)
from serving.gateway.strict import NAME as _NAME
from serving.gateway.strict import Strict as _Strict
from serving.gateway.strict import problem as _problem
from serving.gateway.strict import without_values
from serving.gateway.telemetry.config import TelemetryConfig, check_telemetry
from serving.gateway.tls.certificates import Certificates, TlsProblem, load_certificates
from serving.gateway.tls.config import TlsConfig
from serving.gateway.waiting.config import DemandConfig, HoldConfig, QueueConfig, ScalingConfig
from serving.release.rules import ReleaseRules
from serving.release.state import read_released

EndpointName = Literal["chat_completions", "completions", "embeddings"]
T = TypeVar("T")
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
KeyHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
CertificateName = Annotated[str, Meta(pattern="^(uri|dns|email|cn):.{1,1024}$")]


class ModelConfig(_Strict, frozen=True):
    """One model name. `longest_generation_seconds` bounds one upstream request in total."""

    upstreams: Annotated[list[UpstreamConfig], Meta(min_length=1)]
    context_tokens: Count
    max_output_tokens: Count
    endpoints: Annotated[list[EndpointName], Meta(min_length=1)]
    longest_generation_seconds: Seconds
    # Of the weights, as the audit names them.
    digest: Annotated[str, Meta(max_length=256)] | None = None
    # What clients are told of it beside its name: where it is from, by which licence, how it was made.
    card: dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=2048)]] | None = None
    routing: RoutingConfig = RoutingConfig()
    # Models that serve instead when this one cannot, in this order.
    fallbacks: tuple[str, ...] = ()
    # When one of them serves although this one could, or before it is waited for.
    overflow: OverflowConfig | None = None
    routes: RoutesConfig | None = None
    shadow: ShadowConfig | None = None
    # Another model that is to serve instead, step by step; sets `routes` or `shadow`.
    release: ReleaseRules | None = None
    queue: QueueConfig = QueueConfig()
    hold: HoldConfig | None = None
    demand: DemandConfig | None = None
    price: PriceConfig | None = None


class ClientConfig(_Strict, frozen=True):
    """One client. `key_sha256` are hex SHA-256 of its keys: several, so that a key can be rotated. `keys` are the
    same with an expiry, `certificates` the names of client certificates (`uri:`, `dns:`, `email:` or `cn:` first)."""

    models: list[str]
    requests_per_minute: Count | None
    key_sha256: tuple[KeyHash, ...] = ()
    keys: tuple[ApiKeyConfig, ...] = ()
    certificates: tuple[CertificateName, ...] = ()
    # How secret its data is: says by `data_classes` where its requests may go. null: anywhere.
    data_class: str | None = None
    # In a queue, higher is served first.
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    # Quotas over all models of the client, and narrower ones for single models. null: none.
    tokens_per_minute: Count | None = None
    tokens_per_day: Count | None = None
    concurrent_requests: Count | None = None
    dollars_per_month: Annotated[float, Meta(gt=0)] | None = None
    per_model: dict[str, QuotaConfig] = msgspec.field(default_factory=dict[str, QuotaConfig])
    # What is done with personal data and secrets in its requests. null: nothing is looked for.
    privacy: ClientPrivacyConfig | None = None
    # The name of a set below `guardrails`, and a text that is put in front of every prompt.
    guardrails: str | None = None
    system_policy: SystemPolicy | None = None
    # Whether it may get the same answer again to the same request.
    cache: bool = False


class _Document(_Strict, frozen=True):
    version: Literal[1]
    models: dict[str, msgspec.Raw]
    clients: dict[str, msgspec.Raw]
    limits: LimitsConfig
    identity: IdentityConfig = IdentityConfig()
    tls: TlsConfig | None = None
    telemetry: TelemetryConfig = TelemetryConfig()
    # Where the gateway runs, and where requests of each data class may go.
    boundary: Name = "local"
    data_classes: dict[Name, list[Name]] = msgspec.field(default_factory=dict[Name, list[Name]])
    scaling: ScalingConfig = ScalingConfig()
    audit: AuditConfig | None = None
    limits_store: LimitsStoreConfig = MemoryStoreConfig()
    privacy: PrivacyConfig | None = None
    guardrails: Annotated[dict[RuleName, GuardrailsConfig], Meta(max_length=64)] = msgspec.field(
        default_factory=dict[str, GuardrailsConfig]
    )
    cache: CacheConfig = MemoryCacheConfig()
    deep_health: DeepHealthConfig | None = None
    # What requests may cost at other sites in a day (UTC), by the prices of `overflow`; null: as much as they do.
    overflow_dollars_per_day: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None


class GatewayConfig(_Strict, frozen=True):
    """A whole file, checked; `sha256` is of its bytes, `engine_keys` maps each key_file to the key in it,
    `trusted` each `tls` of an upstream to what it is connected to with."""

    models: dict[str, ModelConfig]
    clients: dict[str, ClientConfig]
    limits: LimitsConfig
    sha256: str
    engine_keys: dict[str, str]
    trusted: dict[UpstreamTls, EngineTrust] = msgspec.field(default_factory=dict[UpstreamTls, EngineTrust])
    identity: IdentityConfig = IdentityConfig()
    certificates: Certificates | None = None
    telemetry: TelemetryConfig = TelemetryConfig()
    boundary: str = "local"
    data_classes: dict[str, list[str]] = msgspec.field(default_factory=dict[str, list[str]])
    scaling: ScalingConfig = ScalingConfig()
    audit: AuditConfig | None = None
    limits_store: LimitsStoreConfig = MemoryStoreConfig()
    limits_store_url: str | None = None
    privacy: PrivacySetup | None = None
    # By client.
    guardrails: dict[str, ClientGuardrails] = msgspec.field(default_factory=dict[str, ClientGuardrails])
    # None: no client asks for it.
    cache: CacheSetup | None = None
    deep_health: DeepHealthConfig | None = None
    overflow_dollars_per_day: float | None = None
    # What is blocked in an incident, from a file of its own.
    contained: Contained = NOTHING
    # By model: what its candidate gets now, from a file of its own too.
    releases: dict[str, Released] = msgspec.field(default_factory=dict[str, Released])


class ConfigProblem(Exception):
    """The file cannot be used; `problems` has one four-part line each."""

    def __init__(self, problems: list[str]) -> None:
        # What was found may hold line ends, or what a terminal would obey.
        self.problems = ["".join(c if c.isprintable() else "?" for c in problem) for problem in problems]
        super().__init__("; ".join(self.problems))


def load_config(
    path: Path,
    client_keys: Path | None = None,
    contained_file: Path | None = None,
    released_file: Path | None = None,
) -> GatewayConfig:
    """Read, decode and check `path`; with a folder `client_keys`, clients have the keys in it too, what is in
    `contained_file` is blocked, and `released_file` says how far releases are. Raises ConfigProblem with everything
    that is wrong, not only the first."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigProblem(
            [f"{path}: found {reason}; allowed is a readable file. Create it or fix --config."]
        ) from None
    problems: list[str] = []
    if b"\\u0000" in raw:  # no path may hold it, and each place that opens one would have to say so
        problems.append(_problem(f"{path}", "the character U+0000", "texts without it", "Remove it."))
        raise ConfigProblem(problems)
    document = _decode(raw, _Document, f"{path}: $", problems)
    if document is None:
        raise ConfigProblem(problems)
    models = _decode_each(document.models, ModelConfig, f"{path}: models", problems)
    clients = _decode_each(document.clients, ClientConfig, f"{path}: clients", problems)
    models, releases = with_releases(f"{path}: ", models, read_released(released_file, problems), problems)
    engine_keys: dict[str, str] = {}
    trusted: dict[UpstreamTls, EngineTrust] = {}
    if client_keys is not None:
        for name, keys in read_key_folder(client_keys, clients, problems).items():
            clients[name] = msgspec.structs.replace(clients[name], keys=(*clients[name].keys, *keys))
    for name, model in models.items():
        check_model(f"{path}: models.{name}", model, engine_keys, trusted, problems)
    check_clients(f"{path}: clients", clients, set(document.models), problems)
    if document.audit is not None:
        problems += [_problem(f"{path}: audit.{field}", *rest) for field, *rest in problems_of(document.audit)]
    check_identity(f"{path}: identity", document.identity, set(document.clients), problems)
    check_telemetry(f"{path}: telemetry", document.telemetry, problems)
    certificates: Certificates | None = None
    if document.tls is not None:
        try:
            certificates = load_certificates(f"{path}: tls", document.tls)
        except TlsProblem as tls_problem:
            problems.append(str(tls_problem))
    if len(models) == len(document.models):
        problems += check_routing(f"{path}: ", models, clients, document.boundary, document.data_classes)
    if document.scaling.key_file is not None:
        read_key(f"{path}: scaling.key_file", document.scaling.key_file, engine_keys, problems)
    prices = {name: model.price for name, model in models.items()}
    limits_store_url = check_limits(str(path), prices, clients, document.limits_store, problems)
    privacy = load_privacy(f"{path}: ", document.privacy, clients, problems)
    guardrails = load_guardrails(f"{path}: ", document.guardrails, clients, engine_keys, problems)
    cache = load_cache(f"{path}: cache", document.cache, clients, document.privacy, problems)
    check_deep_health(f"{path}: deep_health", document.deep_health, models, problems)
    contained = read_contained(contained_file, problems)
    if problems:
        raise ConfigProblem(problems)
    return GatewayConfig(
        models=models,
        clients=clients,
        limits=document.limits,
        sha256=hashlib.sha256(raw).hexdigest(),
        audit=document.audit,
        engine_keys=engine_keys,
        trusted=trusted,
        identity=document.identity,
        certificates=certificates,
        telemetry=document.telemetry,
        boundary=document.boundary,
        data_classes=document.data_classes,
        scaling=document.scaling,
        limits_store=document.limits_store,
        limits_store_url=limits_store_url,
        privacy=privacy,
        guardrails=guardrails,
        cache=cache,
        deep_health=document.deep_health,
        overflow_dollars_per_day=document.overflow_dollars_per_day,
        contained=contained,
        releases=releases,
    )


def _decode(raw: bytes | msgspec.Raw, kind: type[T], where: str, problems: list[str]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = f"a problem ({without_values(str(error))})"
        problems.append(_problem(where, found, "what slipway writes there", "Correct this field."))
        return None


def _decode_each(raws: dict[str, msgspec.Raw], kind: type[T], where: str, problems: list[str]) -> dict[str, T]:
    decoded: dict[str, T] = {}
    for number, (name, raw) in enumerate(raws.items(), 1):
        if not _NAME.fullmatch(name) or name in ("unknown", "other"):
            problems.append(
                _problem(
                    where,
                    f"a name (of entry {number}, not shown)",
                    "1 to 128 of A-Z a-z 0-9 . _ : / @ -, starting with a letter or digit, not `unknown` or `other`",
                    "Rename it.",
                )
            )
        elif (value := _decode(raw, kind, f"{where}.{name}", problems)) is not None:
            decoded[name] = value
    return decoded
