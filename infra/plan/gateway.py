"""The gateway's configuration file, as the plan knows it: no key and no address of an engine is in it yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.config import StackConfig
from infra.gateway.config import AuditSettings, IssuerSettings, rendered
from infra.gateway.guardrails import guardrail_warnings
from infra.plan.types import ClientPlan, ModelPlan

# One prompt of 128k tokens is about 0.5 MB of text; 4 MiB leaves room for tools, JSON escapes and images by value.
BODY_BYTES = 4 * 1024 * 1024
MESSAGES = 2048
CHOICES = 8
CONNECT_SECONDS = 5
# Longer than the idle reuse of common front ends and client pools, which must be the ones to close first.
KEEP_ALIVE_SECONDS = 75
# Stands for the folder that outlives restarts; whoever starts the gateway knows its path.
STATE = "{state}"


def gateway_config(
    config: StackConfig, models: Mapping[str, ModelPlan], clients: Mapping[str, ClientPlan]
) -> dict[str, Any]:
    """The file's content. Upstreams and key hashes are added by whoever knows them: launcher and deployment."""
    optional = {
        "identity": _identity(config.gateway.issuers),
        "privacy": rendered(config.gateway.privacy) if config.gateway.privacy.patterns else None,
        "guardrails": {name: rendered(rules) for name, rules in config.gateway.guardrails.items()} or None,
        "cache": _cache(config),
        "audit": _audit(config.gateway.audit),
        "telemetry": _telemetry(config),
    }
    return {
        "version": 1,
        "models": {name: _model(config, name, model) for name, model in models.items()},
        "clients": {name: _client(config, name, client, models) for name, client in clients.items()},
        "limits": {
            "body_bytes": BODY_BYTES,
            "messages": MESSAGES,
            "choices": CHOICES,
            "connect_seconds": CONNECT_SECONDS,
            "keep_alive_seconds": KEEP_ALIVE_SECONDS,
        },
        **{name: value for name, value in optional.items() if value is not None},
    }


def gateway_warnings(config: StackConfig) -> Iterator[str]:
    """What is weaker than the default or has no effect, one sentence each."""
    if config.gateway.audit is None:
        yield "no audit is kept (`gateway.audit: null`): nothing shows later who asked what of which model"
    if "cache" in config.gateway.model_fields_set and not any(client.cache for client in config.clients.values()):
        yield "nothing is cached: `gateway.cache` is set, but no client has `cache: true`"
    for name, client in config.clients.items():
        if client.privacy.mode != "off" and client.privacy.media == "allow":
            yield f"client `{name}`: images, sound and files pass unscanned (`privacy.media: allow`)"
    yield from guardrail_warnings(config.gateway.guardrails)


def _model(config: StackConfig, name: str, model: ModelPlan) -> dict[str, Any]:
    price = config.models[name].price
    known: dict[str, Any] = {
        "upstreams": [],
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "endpoints": list(model.container.endpoints),
        "longest_generation_seconds": model.drain.longest_generation_seconds,
    }
    if digest := model.weights.sha256 or model.weights.revision:
        known["digest"] = digest
    return {**known, "price": rendered(price)} if price else known


def _client(config: StackConfig, name: str, client: ClientPlan, models: Mapping[str, ModelPlan]) -> dict[str, Any]:
    settings = config.clients[name]
    here = {model: rendered(quota) for model, quota in settings.per_model.items() if model in models}
    optional: dict[str, Any] = {
        "tokens_per_minute": settings.tokens_per_minute,
        "tokens_per_day": settings.tokens_per_day,
        "concurrent_requests": settings.concurrent_requests,
        "dollars_per_month": settings.dollars_per_month,
        "per_model": here or None,
        "priority": settings.priority or None,
        "cache": settings.cache or None,
        "privacy": rendered(settings.privacy) if settings.privacy.model_fields_set else None,
        "guardrails": settings.guardrails,
        "system_policy": settings.system_policy,
    }
    return {
        "key_sha256": [],
        "models": [model for model in client.models if model in models],
        "requests_per_minute": client.requests_per_minute,
        **{field: value for field, value in optional.items() if value is not None},
    }


def _identity(issuers: Mapping[str, IssuerSettings]) -> dict[str, Any] | None:
    return {"issuers": {name: rendered(issuer) for name, issuer in issuers.items()}} if issuers else None


def _cache(config: StackConfig) -> dict[str, Any] | None:
    return rendered(config.gateway.cache) if any(client.cache for client in config.clients.values()) else None


def _audit(audit: AuditSettings | None) -> dict[str, Any] | None:
    return {"folder": f"{STATE}/audit", **rendered(audit)} if audit else None


def _telemetry(config: StackConfig) -> dict[str, Any] | None:
    traces = config.gateway.traces
    return {"traces": {"url": traces.url, "ratio": traces.percent / 100}} if traces else None
