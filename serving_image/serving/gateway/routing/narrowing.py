"""Models without the ways to what is blocked in an incident: as a fallback, a share, or a copy of requests."""

from __future__ import annotations

import msgspec

from serving.gateway.config import GatewayConfig, ModelConfig


def without_contained(config: GatewayConfig) -> GatewayConfig:
    """The same configuration; models send nothing to what is blocked."""
    blocked, routes = frozenset(config.contained.models), frozenset(config.contained.routes)
    if not blocked and not routes:
        return config
    models = {name: _narrowed(name, model, blocked, routes) for name, model in config.models.items()}
    return msgspec.structs.replace(config, models=models)


def _narrowed(name: str, model: ModelConfig, blocked: frozenset[str], routes: frozenset[str]) -> ModelConfig:
    shares = model.routes
    if shares is not None:
        left = {
            route: share
            for route, share in shares.to.items()
            if share.model not in blocked and f"{name}/{route}" not in routes
        }
        # With nobody left who has a share, its own replicas have all of them.
        shares = msgspec.structs.replace(shares, to=left) if any(share.weight for share in left.values()) else None
    return msgspec.structs.replace(
        model,
        fallbacks=tuple(other for other in model.fallbacks if other not in blocked),
        routes=shares,
        shadow=None if model.shadow is not None and model.shadow.model in blocked else model.shadow,
    )
