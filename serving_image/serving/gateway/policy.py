"""A policy: one loaded configuration turned into what requests look up. Immutable; a reload swaps it whole."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

import orjson

from serving.gateway.cache.assignment import client_cache_of
from serving.gateway.cache.response_cache import ClientCache, ResponseCache, cache_for
from serving.gateway.config import ClientConfig, GatewayConfig, LimitsConfig, ModelConfig
from serving.gateway.guardrails.rules import ClientGuardrails
from serving.gateway.identity.api_keys import ApiKey, KeyRing
from serving.gateway.identity.certificates import CertificateNames
from serving.gateway.identity.tokens import TokenVerifier
from serving.gateway.limits.ledger import ClientLimits, Ledger
from serving.gateway.privacy.assignment import privacy_of
from serving.gateway.privacy.rules import ClientPrivacy
from serving.gateway.refusal import MODEL_NOT_FOUND
from serving.gateway.routing.checks import allowed_boundaries
from serving.gateway.routing.narrowing import without_contained
from serving.gateway.routing.pool import Pool
from serving.gateway.routing.table import Destinations, build_destinations
from serving.gateway.telemetry.exporter import Tracer, tracer_for

if TYPE_CHECKING:
    from serving.gateway.audit.log import AuditLog


class Load:
    """How many requests of one model are at an engine. Outlives reloads, or requests across one would be lost."""

    __slots__ = ("in_flight",)

    def __init__(self) -> None:
        self.in_flight = 0


class Model:
    """One model name: its bounds and its engines."""

    __slots__ = (
        "card",
        "context_tokens",
        "destinations",
        "digest",
        "endpoints",
        "load",
        "longest_generation_seconds",
        "max_output_tokens",
        "name",
        "suspended",
    )

    def __init__(self, name: str, config: ModelConfig, destinations: Destinations, load: Load) -> None:
        self.name = name
        self.destinations = destinations
        self.load = load
        self.context_tokens = config.context_tokens
        self.digest = config.digest
        self.card = config.card
        self.max_output_tokens = config.max_output_tokens
        self.endpoints = frozenset(config.endpoints)
        self.longest_generation_seconds = config.longest_generation_seconds
        self.suspended = False


class Client:
    """One client: the models it may use and its limits."""

    __slots__ = (
        "boundaries",
        "cache",
        "guardrails",
        "limits",
        "models",
        "models_body",
        "name",
        "priority",
        "privacy",
        "suspended",
    )

    def __init__(
        self,
        name: str,
        config: ClientConfig,
        models: dict[str, Model],
        limits: ClientLimits,
        created: int,
        boundaries: frozenset[str] | None,
    ) -> None:
        self.name = name
        # Where its requests may go; None: anywhere.
        self.boundaries = boundaries
        self.priority = config.priority
        # None where nothing is looked for.
        self.privacy: ClientPrivacy | None = None
        # None where nothing is looked at and no system policy is added.
        self.guardrails: ClientGuardrails | None = None
        # None where nothing is kept for it.
        self.cache: ClientCache | None = None
        self.limits = limits
        self.suspended = False
        self.models = {model: models[model] for model in sorted(set(config.models))}
        listed = [_model_entry(model, self.models[model].card, created) for model in self.models]
        self.models_body = orjson.dumps({"object": "list", "data": listed})


class Policy:
    """Everything one configuration file decides. Pools are the process's, not its: they go on."""

    # Types that follow from themselves, by way of the policy before.
    pools: dict[str, Pool]
    ledger: Ledger
    cache: ResponseCache | None
    tracer: Tracer | None
    tokens: TokenVerifier[Client] | None

    def __init__(self, config: GatewayConfig, previous: Policy | None = None) -> None:
        config = without_contained(config)
        self.sha256 = config.sha256
        self.limits: LimitsConfig = config.limits
        self.deep_health = config.deep_health
        self.created = int(time.time())
        # Opened by the process, because opening it touches the disk; set before the first request sees this policy.
        self.audit: AuditLog | None = None
        self.pools, destinations = build_destinations(config, previous.pools if previous else {})
        self.scaling_key = None if config.scaling.key_file is None else config.engine_keys[config.scaling.key_file]
        self.models: dict[str, Model] = {}
        self.clients: dict[str, Client] = {}
        self.keys: KeyRing[Client] = KeyRing()
        certificates: dict[str, Client] = {}
        for name, model in config.models.items():
            known = previous.models.get(name) if previous else None
            self.models[name] = Model(name, model, destinations[name], known.load if known else Load())
            self.models[name].suspended = name in config.contained.models
        self.suspended_keys = frozenset(config.contained.keys)
        # Handed on and changed in place: what was spent stays spent, and what runs settles where it reserved.
        self.ledger = previous.ledger if previous else Ledger()
        limits = self.ledger.adopt(
            config.models,
            config.clients,
            config.limits_store,
            config.limits_store_url,
            config.overflow_dollars_per_day,
        )
        self.cache = cache_for(config.cache, previous.cache if previous else None)
        for name, client_config in config.clients.items():
            boundaries = reachable_boundaries(client_config.data_class, config)
            client = Client(name, client_config, self.models, limits[name], self.created, boundaries)
            self.clients[name] = client
            client.suspended = name in config.contained.clients
            client.guardrails = config.guardrails.get(name)
            client.privacy = privacy_of(name, config, previous.clients if previous else {})
            client.cache = client_cache_of(name, config, self.cache)
            for digest in client_config.key_sha256:
                self.keys.add(ApiKey(bytes.fromhex(digest), client))
            for key in client_config.keys:
                expires_at = inf if key.expires is None else key.expires.timestamp()
                self.keys.add(ApiKey(bytes.fromhex(key.sha256), client, expires_at))
            certificates |= dict.fromkeys(client_config.certificates, client)
        self.tracer = tracer_for(config.telemetry.traces, previous.tracer if previous else None)
        # None where the feature is not configured, so that a request pays one test for it.
        self.certificates = CertificateNames(certificates) if certificates else None
        self.tokens = (
            TokenVerifier(config.identity, self.clients, previous.tokens if previous else None)
            if config.identity.issuers
            else None
        )

    def model_entry(self, client: Client, name: str) -> bytes:
        """The body of GET /v1/models/{name}. Raises the same refusal for unknown and forbidden."""
        if name not in client.models:
            raise MODEL_NOT_FOUND
        return orjson.dumps(_model_entry(name, client.models[name].card, self.created))


def reachable_boundaries(data_class: str | None, config: GatewayConfig) -> frozenset[str] | None:
    """Where requests of a class may go, but for places that are blocked; None: anywhere."""
    allowed = allowed_boundaries(data_class, config.boundary, config.data_classes)
    if not config.contained.places:
        return allowed
    if allowed is None:
        upstreams = (upstream for model in config.models.values() for upstream in model.upstreams)
        allowed = frozenset(upstream.boundary or config.boundary for upstream in upstreams)
    return allowed - frozenset(config.contained.places)


def _model_entry(name: str, card: dict[str, str] | None, created: int) -> dict[str, object]:
    entry: dict[str, object] = {"id": name, "object": "model", "created": created, "owned_by": "slipway"}
    return {**entry, "card": card} if card else entry
