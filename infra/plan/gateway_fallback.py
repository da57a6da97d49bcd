"""What a site's gateway file says of the site that serves what its own cannot: other places of its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.plan.link_types import Overflow

# What a model has of its own engine, and no other place of it has.
OF_ITS_OWN = ("upstreams", "fallbacks", "routes", "shadow", "release", "queue", "hold", "routing")
# Nobody waits for a site that takes what another has too much of: only that one's own engines are waited for.
LEAST_HOLD_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """How a gateway reaches the site that serves what its own cannot: what its models' places there are called after,
    where it is, with whose key, and how long a request waits for its own site before that. `overflow`: by which rule
    requests leave before their own site refuses them; None: only then. `tls` are files by what they are there for:
    the certificate that is shown, and who vouches for that site; empty where nothing is said."""

    place: str
    url: str
    key_file: str
    wait_seconds: float
    overflow: Overflow | None = None
    tls: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)


@dataclass(frozen=True, kw_only=True)
class FallbackSite:
    """The site that another one falls back to: where it stands, what it serves, and how it is reached."""

    boundary: str
    models: tuple[str, ...]
    way: Fallback


@dataclass(frozen=True, kw_only=True)
class OwnEngine:
    """What a site's engine of a model takes at the same time, and where it says how full its KV cache is (None: it does
    not)."""

    concurrent_requests: int
    metrics_path: str
    kv_usage_metric: str | None


def elsewhere(site: FallbackSite, model: str) -> dict[str, Any]:
    """The model there, as one more upstream."""
    return {
        "url": site.way.url,
        "kind": "slipway",
        "boundary": site.boundary,
        "model": model,
        "key_file": site.way.key_file,
        **({"tls": dict(site.way.tls)} if site.way.tls else {}),
    }


def hold(site: FallbackSite) -> dict[str, Any]:
    """A site is ready while the other one is away, and asks it no more until a probe says that it is back."""
    return {"hold": {"seconds": site.way.wait_seconds or LEAST_HOLD_SECONDS}}


def with_fallback(
    models: Mapping[str, dict[str, Any]], here: Mapping[str, OwnEngine], site: FallbackSite
) -> dict[str, dict[str, Any]]:
    """The gateway's models with that site behind them. `here` are those with an engine on this site: one more than that
    takes waits a while for a place, and goes."""
    found: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        if name not in site.models:
            found[name] = model
        elif name not in here:
            found[name] = {**hold(site), **model, "upstreams": [elsewhere(site, name), *model["upstreams"]]}
        else:
            # No name of a user's has an `@` in it.
            there = f"{name}@{site.way.place}"
            first, *others = model["upstreams"]
            found[name] = {
                **model,
                "upstreams": [{**first, "concurrent_requests": here[name].concurrent_requests}, *others],
                "fallbacks": [there, *model.get("fallbacks", ())],
                **_when(model, here[name], site.way, there),
            }
            shared = {field: value for field, value in model.items() if field not in OF_ITS_OWN}
            found[there] = {**shared, **hold(site), "upstreams": [elsewhere(site, name)]}
    return found


def _when(model: Mapping[str, Any], own: OwnEngine, way: Fallback, there: str) -> dict[str, Any]:
    """When requests of a model with an engine here go there."""
    rule = way.overflow
    if rule is None:
        return {"queue": {**model.get("queue", {}), "seconds": way.wait_seconds}}
    # Those that may not go wait as long as ever.
    said: dict[str, Any] = {
        "model": there,
        "busy_percent": rule.busy_percent,
        "return_percent": rule.return_percent,
        "wait_seconds": rule.wait_seconds,
    }
    if rule.kv_cache_percent and own.kv_usage_metric:
        said["kv_cache"] = {
            "percent": rule.kv_cache_percent,
            "path": own.metrics_path,
            "metric": own.kv_usage_metric,
        }
    return {"overflow": said}
