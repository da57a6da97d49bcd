"""Which data may take a way between two sites, and what becomes of personal data in it: as the gateways decide it."""

from __future__ import annotations

from collections.abc import Iterator

from infra.config import ClientSettings, StackConfig
from infra.gateway.config import RESTRICTED
from infra.plan.link_types import Crossing

# As the gateway orders them: where a request may be served in several places, the strictest rule of all counts.
STRICTNESS = ("off", "tokenise", "mask", "block")


def may_be_at(config: StackConfig, boundary: str) -> Iterator[str]:
    """Clients whose data may be there, as the gateway decides it: restricted data is at the own boundary only, data
    without a class may be anywhere."""
    classes = {**config.gateway.data_classes, RESTRICTED: [config.gateway.boundary]}
    for name, client in config.clients.items():
        if client.data_class is None or boundary in classes[client.data_class]:
            yield name


def crossings(config: StackConfig, source: str, target: str, models: tuple[str, ...]) -> tuple[Crossing, ...]:
    """Of all clients of these models but what one site is at another, from one boundary to another."""
    allowed = {*may_be_at(config, target)}
    rule = config.topology.overflow_rule
    found: dict[tuple[str | None, bool, str], list[str]] = {}
    for name, client in config.clients.items():
        if set(models).isdisjoint(client.models) or (rule and name == rule.client):
            continue
        crosses = name in allowed
        key = (client.data_class, crosses, _personal_data(client, source, target) if crosses else "")
        found.setdefault(key, []).append(name)
    return tuple(
        Crossing(data_class=data_class, clients=tuple(names), crosses=crosses, personal_data=personal)
        for (data_class, crosses, personal), names in found.items()
    )


def _personal_data(client: ClientSettings, source: str, target: str) -> str:
    rules = [client.privacy.boundaries.get(place, client.privacy) for place in (source, target)]
    strictest = max((rule.mode for rule in rules), key=STRICTNESS.index)
    by_kind = {mode for rule in rules for mode in rule.kinds.values()} - {strictest}
    return ", ".join([strictest, *sorted(by_kind, key=STRICTNESS.index)])
