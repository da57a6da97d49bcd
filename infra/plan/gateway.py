"""The gateway's configuration file, as the plan knows it: no secret, no hash and no address of an engine is in it yet.

Placeholders stand for what only a running site knows: `{engine}` and `{key_file}` for an engine of ours, `{key_sha256}`
for the hash of a client's key, `{state}` and `{secrets}` for folders.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from infra.config import ClientSettings, ModelSettings, RemoteModelSettings, StackConfig
from infra.gateway.audit import AuditSettings
from infra.gateway.cache import RedisCacheSettings
from infra.gateway.config import RESTRICTED, GatewaySettings, rendered
from infra.gateway.guardrails import AnyHook, GuardrailSettings, ModerationHookSettings
from infra.gateway.privacy import PrivacySettings
from infra.gateway.quota import LimitsStoreSettings, RedisStoreSettings
from infra.gateway.routing import QueueSettings, UpstreamSettings
from infra.gateway.secret import secret_path
from infra.gateway.telemetry import TracesSettings
from infra.gateway.tls import TlsSettings
from infra.plan.gateway_fallback import FallbackSite, OwnEngine, with_fallback
from infra.plan.releases import release_rules
from infra.plan.scaling import demand_of, lets_pass_seconds
from infra.plan.types import ClientPlan, ModelPlan

# Stands for the folder that outlives restarts; whoever starts the gateway knows its path.
STATE = "{state}"
ENGINE = {"url": "{engine}", "key_file": "{key_file}"}
KEY_HASH = "{key_sha256}"
ENDPOINTS = {"generate": ("chat_completions", "completions"), "embed": ("embeddings",)}


AnyModel = ModelSettings | RemoteModelSettings


def gateway_config(
    config: StackConfig,
    models: Mapping[str, ModelPlan],
    clients: Mapping[str, ClientPlan],
    boundary: str,
    fallback: FallbackSite | None = None,
    none_yet: Collection[str] = (),
) -> dict[str, Any]:
    """The file's content for a site with these models, at that boundary. Whoever starts it fills the placeholders.
    `fallback` is the site that serves what this one cannot; of models in `none_yet` it has no replica until somebody
    comes."""
    there = fallback.models if fallback else ()
    served: dict[str, AnyModel] = {
        name: config.models[name] for name in config.models if name in models or name in there
    }
    served |= config.remote_models
    gateway = config.gateway
    data_classes = data_classes_at(boundary, config, served, *((fallback.boundary,) if fallback else ()))
    written = {name: _model(name, model, models.get(name), served) for name, model in served.items()}
    for name in none_yet:
        if "demand" in written[name]:
            written[name]["demand"]["wakes"] = True
    if fallback:
        own = {
            name: OwnEngine(
                concurrent_requests=config.models[name].concurrent_requests,
                metrics_path=model.container.metrics_path,
                kv_usage_metric=model.container.kv_usage_metric,
            )
            for name, model in models.items()
        }
        written = with_fallback(written, own, fallback)
    optional = {
        "identity": {"issuers": {name: rendered(issuer) for name, issuer in gateway.issuers.items()}}
        if gateway.issuers
        else None,
        "privacy": _privacy(gateway.privacy),
        "guardrails": {name: _guardrails(rules) for name, rules in gateway.guardrails.items()} or None,
        "cache": _cache(config),
        "audit": None if gateway.audit is None else _audit(gateway.audit),
        "telemetry": _telemetry(gateway),
        "tls": None if gateway.tls is None else _tls(gateway.tls),
        "boundary": boundary,
        "data_classes": data_classes or None,
        "limits_store": _limits_store(gateway.limits_store),
        "deep_health": {"models": list(models), **rendered(gateway.deep_health)}
        if gateway.deep_health and models
        else None,
        "scaling": {"key_file": gateway.scaling.key.path} if gateway.scaling.key else None,
    }
    return {
        "version": 1,
        "models": written,
        "clients": {
            name: _client(config.clients[name], client, served)
            for name, client in clients.items()
            if _may_be_at(boundary, config, config.clients[name], data_classes)
        },
        "limits": rendered(gateway.limits),
        **{name: value for name, value in optional.items() if value is not None},
    }


def data_classes_at(
    boundary: str, config: StackConfig, served: Mapping[str, AnyModel], *others: str
) -> dict[str, list[str]]:
    """Where each class may go from a gateway at that boundary: of all places, those that it reaches, `others` among
    them. Classes that may be nowhere there are left out."""
    reached = {boundary, *others} | {
        upstream.boundary for model in served.values() for upstream in model.upstreams.values()
    }
    found = {
        name: [place for place in places if place in reached] for name, places in config.gateway.data_classes.items()
    }
    if boundary != config.gateway.boundary:
        found.pop(RESTRICTED, None)
    return {name: places for name, places in found.items() if places}


def _may_be_at(
    boundary: str, config: StackConfig, client: ClientSettings, data_classes: Mapping[str, list[str]]
) -> bool:
    """Whether a gateway knows a client at all: restricted data is nowhere but at the deployment's own boundary."""
    if client.data_class == RESTRICTED:
        return boundary == config.gateway.boundary
    return client.data_class is None or client.data_class in data_classes


def queue_of(model: AnyModel) -> QueueSettings | None:
    """What lets requests wait for a free replica; None when no replica is ever full."""
    limited = any(upstream.concurrent_requests for upstream in model.upstreams.values())
    return model.queue or (QueueSettings() if limited else None)


def _model(name: str, model: AnyModel, plan: ModelPlan | None, served: Mapping[str, Any]) -> dict[str, Any]:
    queue = queue_of(model)
    routes, shadow = model.routes, model.shadow
    own: dict[str, Any] = {**ENGINE}
    if isinstance(model, ModelSettings) and model.queue is not None:
        own["concurrent_requests"] = model.concurrent_requests
    known: dict[str, Any] = {
        "upstreams": [*([own] if plan else []), *map(_upstream, model.upstreams.values())],
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.longest_answer_tokens,
        "endpoints": list(plan.container.endpoints if plan else ENDPOINTS[model.task]),
        "longest_generation_seconds": model.longest_generation_seconds,
    }
    optional: dict[str, Any] = {
        "digest": (plan.weights.sha256 or plan.weights.revision) if plan else None,
        "card": plan.card.said if plan and plan.card else None,
        "price": rendered(model.price) if model.price else None,
        "routing": rendered(model.routing) if model.routing.model_fields_set else None,
        "fallbacks": [name for name in model.fallbacks if name in served] or None,
        "routes": rendered(routes) if routes and all(route.model in served for route in routes.to.values()) else None,
        "shadow": {"model": shadow.model, "percent": shadow.percent, "concurrent": shadow.concurrent_requests}
        if shadow and shadow.model in served
        else None,
        "release": release_rules(name, model, served),
        "queue": rendered(queue) | _passes(plan) if queue else None,
        "hold": rendered(model.hold) if model.hold else None,
        "demand": asdict(demand) if plan and (demand := demand_of(plan)) else None,
    }
    return {**known, **{field: value for field, value in optional.items() if value is not None}}


def _passes(plan: ModelPlan | None) -> dict[str, float]:
    seconds = lets_pass_seconds(plan) if plan else None
    return {} if seconds is None else {"lets_pass_seconds": seconds}


def _upstream(upstream: UpstreamSettings) -> dict[str, Any]:
    tls = {"tls": upstream.tls_files} if upstream.tls_files else {}
    kept = rendered(upstream, without={"key", "certificate", "authority"})
    return {**kept, "key_file": secret_path(upstream.key), **tls}


def _client(settings: ClientSettings, client: ClientPlan, served: Mapping[str, Any]) -> dict[str, Any]:
    here = {model: rendered(quota) for model, quota in settings.per_model.items() if model in served}
    expires = settings.keys_expire
    optional: dict[str, Any] = {
        "keys": [{"sha256": KEY_HASH, "expires": expires}] if expires else None,
        "certificates": settings.certificates or None,
        "data_class": settings.data_class,
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
        "models": [model for model in client.models if model in served],
        "requests_per_minute": client.requests_per_minute,
        **{field: value for field, value in optional.items() if value is not None},
    }


def _privacy(privacy: PrivacySettings) -> dict[str, Any] | None:
    if not privacy.model_fields_set:
        return None
    key = {"key_file": privacy.key.path} if privacy.key else {}
    return {**rendered(privacy, without={"key"}), **key}


def _guardrails(rules: GuardrailSettings) -> dict[str, Any]:
    hooks = {"before": rules.before, "after": rules.after}
    asked = {place: {name: _hook(hook) for name, hook in named.items()} for place, named in hooks.items()}
    return {**rendered(rules, without={*hooks}), **asked}


def _hook(hook: AnyHook) -> dict[str, Any]:
    key = {"key_file": hook.key.path} if isinstance(hook, ModerationHookSettings) and hook.key else {}
    return {**rendered(hook, without={"key"}), **key}


def _cache(config: StackConfig) -> dict[str, Any] | None:
    cache = config.gateway.cache
    if not any(client.cache for client in config.clients.values()):
        return None
    files = {"url_file": cache.url.path, "key_file": cache.key.path} if isinstance(cache, RedisCacheSettings) else {}
    return {**rendered(cache, without={"url", "key"}), **files}


def _audit(audit: AuditSettings) -> dict[str, Any]:
    content: dict[str, Any] = {"folder": f"{STATE}/audit"}
    content |= rendered(
        audit, without={"content", "content_bytes", "master_key", "signing_key"} | {"object_store", "otlp_logs"}
    )
    if audit.signing_key:
        content["signing_key_file"] = audit.signing_key.path
    if audit.content == "encrypted":
        master = secret_path(audit.master_key) or f"{STATE}/audit-master.key"
        content |= {"content": audit.content, "content_bytes": audit.content_bytes}
        content["subject_keys"] = {"folder": f"{STATE}/audit-subjects", "master_key_file": master}
    if store := audit.object_store:
        keys = {"access_key_file": secret_path(store.access_key), "secret_key_file": secret_path(store.secret_key)}
        files = {field: file for field, file in keys.items() if file is not None}
        content["object_store"] = {**rendered(store, without={"access_key", "secret_key"}), **files}
    if logs := audit.otlp_logs:
        header = {"header_file": logs.header.path} if logs.header else {}
        content["otlp_logs"] = {**rendered(logs, without={"header"}), **header}
    return content


def _telemetry(gateway: GatewaySettings) -> dict[str, Any] | None:
    content = rendered(gateway.metrics) if gateway.metrics.model_fields_set else {}
    if gateway.traces:
        content["traces"] = _traces(gateway.traces)
    return content or None


def _traces(traces: TracesSettings) -> dict[str, Any]:
    return {
        "url": traces.url,
        "ratio": traces.percent / 100,
        "parent": traces.parent,
        "service_name": traces.service_name,
        "queue": traces.queue_requests,
        **({"authorization_file": traces.authorization.path} if traces.authorization else {}),
    }


def _tls(tls: TlsSettings) -> dict[str, Any]:
    if tls.self_signed:
        return {**rendered(tls), "self_signed_folder": f"{STATE}/tls"}
    return rendered(tls, without={"self_signed", "self_signed_names"})


def _limits_store(store: LimitsStoreSettings) -> dict[str, Any] | None:
    if not isinstance(store, RedisStoreSettings):
        return None
    return {**rendered(store, without={"url"}), "url_file": store.url.path}
