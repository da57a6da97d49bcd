"""Gives each client that asks for it its part of the cache, with all that must separate its answers from others."""

from __future__ import annotations

from typing import Any

import msgspec

from serving.gateway.cache.response_cache import ClientCache, ResponseCache
from serving.gateway.config import ClientConfig, GatewayConfig, ModelConfig
from serving.gateway.routing.checks import allowed_boundaries

# Who it is and how much it may ask changes no answer. Whatever else is ever said about a client counts.
_WITHOUT_EFFECT = frozenset(
    (
        *("key_sha256", "keys", "certificates", "models", "priority"),
        *("requests_per_minute", "tokens_per_minute", "tokens_per_day", "concurrent_requests"),
        *("dollars_per_month", "per_model"),
    )
)


def client_cache_of(name: str, config: GatewayConfig, cache: ResponseCache | None) -> ClientCache | None:
    """One client's part of `cache`, or None."""
    client = config.clients[name]
    if cache is None or not client.cache or config.cache is None:
        return None
    allowed = allowed_boundaries(client.data_class, config.boundary, config.data_classes)
    rules = {
        "client": name,
        "settings": _with_effect(client),
        "boundaries": None if allowed is None else sorted(allowed),
        "guardrails": guardrails.written if (guardrails := config.guardrails.get(name)) else None,
        "privacy": None if client.privacy is None else config.cache.privacy,
    }
    scopes = {
        model: msgspec.json.encode({**rules, "model": _model(model, config.models[model], config)}, order="sorted")
        for model in set(client.models)
    }
    return ClientCache(cache, scopes)


def _with_effect(client: ClientConfig) -> dict[str, Any]:
    return {field: value for field, value in msgspec.structs.asdict(client).items() if field not in _WITHOUT_EFFECT}


def _model(name: str, model: ModelConfig, config: GatewayConfig) -> dict[str, Any]:
    """What says that it is the same model. Without a digest of its weights, where it runs must do."""
    places = {
        (
            upstream.boundary or config.boundary,
            upstream.kind,
            upstream.model or "",
            "" if model.digest is not None else upstream.url,
        )
        for upstream in model.upstreams
    }
    return {"name": name, "digest": model.digest, "upstreams": sorted(places)}
