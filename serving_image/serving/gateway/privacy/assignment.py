"""Gives each client of a configuration its privacy rules, by where its requests may be served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from serving.gateway.config import GatewayConfig
from serving.gateway.privacy.rules import ClientPrivacy, OutsideRecogniser, PrivacySetup
from serving.gateway.routing.checks import allowed_boundaries


class _Known(Protocol):
    """A client of the policy before."""

    @property
    def privacy(self) -> ClientPrivacy | None: ...


def privacy_of(name: str, config: GatewayConfig, previous: Mapping[str, _Known]) -> ClientPrivacy | None:
    """The rules of one client, or None."""
    client = config.clients[name].privacy
    setup = config.privacy
    if client is None or setup is None:
        return None
    allowed = allowed_boundaries(config.clients[name].data_class, config.boundary, config.data_classes)
    models = {model: _boundaries(config, model, allowed) for model in config.clients[name].models}
    return ClientPrivacy(name, client, setup, models, _outside(setup, previous))


def _boundaries(config: GatewayConfig, model: str, allowed: frozenset[str] | None) -> list[str]:
    """Where requests for `model` may be served: by its own upstreams, its fallbacks, its routes, its shadow."""
    reached = {model}
    waiting = [model]
    while waiting:
        one = config.models[waiting.pop()]
        further = {*one.fallbacks, *([one.shadow.model] if one.shadow else [])}
        further |= {route.model for route in one.routes.to.values()} if one.routes else set()
        waiting += further - reached
        reached |= further
    boundaries = {
        upstream.boundary or config.boundary for name in reached for upstream in config.models[name].upstreams
    }
    return sorted(boundaries if allowed is None else boundaries & allowed)


def _outside(setup: PrivacySetup, previous: Mapping[str, _Known]) -> OutsideRecogniser | None:
    """The recogniser that runs outside, the same object as long as its configuration stays."""
    config = setup.config.recogniser
    if config is None:
        return None
    for client in previous.values():
        known = client.privacy.outside if client.privacy else None
        if known is not None and known.config == config:
            return known
    return setup.outside
