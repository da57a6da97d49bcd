"""What a site's gateway file says of the site that serves what its own cannot: other places of its models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What a model has of its own engine, and no other place of it has.
OF_ITS_OWN = ("upstreams", "fallbacks", "routes", "shadow", "queue", "hold", "routing")


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """How a gateway reaches the site that serves what its own cannot: where, with whose key, and how long a request
    waits for its own site before that."""

    url: str
    key_file: str
    wait_seconds: float


@dataclass(frozen=True, kw_only=True)
class FallbackSite:
    """The site that a small one falls back to: where it stands, what it serves, and how it is reached."""

    boundary: str
    models: tuple[str, ...]
    way: Fallback


def elsewhere(site: FallbackSite, model: str) -> dict[str, Any]:
    """The model there, as one more upstream."""
    return {
        "url": site.way.url,
        "kind": "slipway",
        "boundary": site.boundary,
        "model": model,
        "key_file": site.way.key_file,
    }


def hold(site: FallbackSite) -> dict[str, Any]:
    """A site is ready while the other one is away, and asks it no more until a probe says that it is back."""
    return {"hold": {"seconds": site.way.wait_seconds}}


def with_fallback(
    models: Mapping[str, dict[str, Any]], here: Mapping[str, int], site: FallbackSite
) -> dict[str, dict[str, Any]]:
    """The gateway's models with that site behind them. `here` are those with an engine on this site, each with how many
    requests that takes: one more waits a while for a place, and goes."""
    found: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        if name not in site.models:
            found[name] = model
        elif name not in here:
            found[name] = {**hold(site), **model, "upstreams": [elsewhere(site, name), *model["upstreams"]]}
        else:
            # No name of a user's has an `@` in it.
            there = f"{name}@central"
            first, *others = model["upstreams"]
            found[name] = {
                **model,
                "upstreams": [{**first, "concurrent_requests": here[name]}, *others],
                "fallbacks": [there, *model.get("fallbacks", ())],
                "queue": {**model.get("queue", {}), "seconds": site.way.wait_seconds},
            }
            shared = {field: value for field, value in model.items() if field not in OF_ITS_OWN}
            found[there] = {**shared, **hold(site), "upstreams": [elsewhere(site, name)]}
    return found
