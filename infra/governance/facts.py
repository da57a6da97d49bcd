"""What the plan says of a control: where, how long, with whom; from the deployment itself, never from a form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.catalog.covered_services import covered_services
from infra.config import StackConfig
from infra.governance.checks import processors
from infra.plan.types import DeploymentPlan
from infra.platforms.base import Abilities
from infra.problems import listing


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One deployment: as it is written, what its sites can do, and as it is planned."""

    config: StackConfig
    abilities: Mapping[str, Abilities]
    plan: DeploymentPlan

    @property
    def gateways(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What gateways are told, by site."""
        for name, site in self.plan.sites.items():
            yield name, site.details.gateway_config


def _regions(stack: Stack) -> Iterator[str]:
    for name, ability in stack.abilities.items():
        where = f"`{ability.region}` of {ability.cloud}" if ability.cloud else "a place of your own"
        yield f"site `{name}`: {where}"
    yield f"data may be in {listing(stack.config.governance.regions)} (`governance.regions`)"


def _boundaries(stack: Stack) -> Iterator[str]:
    for name, client in stack.config.clients.items():
        places = stack.config.gateway.data_classes.get(client.data_class or "", [stack.config.gateway.boundary])
        where = "anywhere (no `data_class`)" if client.data_class is None else listing(places)
        yield f"client `{name}`: {where}"


def _endpoints(stack: Stack) -> Iterator[str]:
    for name, site in stack.plan.sites.items():
        yield f"site `{name}`: {site.endpoint}"


def _audit(stack: Stack) -> Iterator[str]:
    for name, content in stack.gateways:
        audit = content.get("audit")
        how = "no row of a finished answer is lost" if audit and audit["sync"] == "every_row" else "written in batches"
        yield f"site `{name}`: {'none' if audit is None else f'each request, chained and signed, {how}'}"


def _retention(stack: Stack) -> Iterator[str]:
    audit = stack.config.gateway.audit
    days = audit.retention_days if audit else None
    yield f"rows at gateways: {'until somebody removes them' if days is None else f'{days:g} days'}"
    for name, ability in stack.abilities.items():
        if ability.audit_days is not None and not (audit and audit.object_store):
            yield f"site `{name}`: copies that nobody removes for {ability.audit_days} days"
    if audit and audit.object_store and (lock := audit.object_store.object_lock):
        yield f"copies that nobody removes for {lock.days} days ({lock.mode})"


def _erasure(stack: Stack) -> Iterator[str]:
    audit = stack.config.gateway.audit
    if audit is None or audit.content == "off":
        yield "no text of a request or an answer is kept"
    else:
        yield "text is kept under a key for each subject: `python -m serving.audit erase` destroys it"


def _privacy(stack: Stack) -> Iterator[str]:
    for name, client in stack.config.clients.items():
        yield f"client `{name}`: `{client.privacy.mode}`"


def _processors(stack: Stack) -> Iterator[str]:
    agreements = stack.config.governance.agreements
    for who, what in processors(stack.config, stack.abilities).items():
        yield f"`{who}` ({what}): {agreements.get(who, 'no agreement was named')}"


def _services(stack: Stack) -> Iterator[str]:
    known, agreements = covered_services(), stack.config.governance.agreements
    for service in sorted({service for ability in stack.abilities.values() for service in ability.services}):
        row = known.get(service)
        said = agreements.get(service) or (row and f"{row.covered}, {row.as_of}") or "nobody said that it is covered"
        yield f"`{service}`: {said}"


FACTS: Mapping[str, Callable[[Stack], Iterator[str]]] = {
    "regions": _regions,
    "boundaries": _boundaries,
    "endpoints": _endpoints,
    "audit": _audit,
    "retention": _retention,
    "erasure": _erasure,
    "privacy": _privacy,
    "processors": _processors,
    "services": _services,
}
