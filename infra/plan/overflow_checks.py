"""What overflow between sites asks of the client that one of them is at the other: refused where it would not work, or
where data would go on to where it may not be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.config import StackConfig
from infra.gateway.config import RESTRICTED
from infra.naming import DEPLOYMENT_KEY
from infra.plan.crossings import may_be_at
from infra.plan.types import SiteLink
from infra.problems import Problem, listing
from infra.topologies.base import Site

CLIENT = f"{DEPLOYMENT_KEY}.topology.overflow.client"


def overflow_problems(config: StackConfig, sites: Mapping[str, Site], links: tuple[SiteLink, ...]) -> Iterator[Problem]:
    """One for each link and reason."""
    rule = config.topology.overflow_rule
    if rule is None:
        return
    client, found = config.clients[rule.client], f"`{rule.client}`"
    overflows = [link for link in links if link.reason == "overflow"]
    for link in overflows:
        there = _boundary(config, sites, link.target)
        if lacks := [model for model in link.models if model not in client.models]:
            yield Problem(
                where=CLIENT,
                found=f"{found}, which may not use {listing(lacks)}",
                allowed=f"a client that may use every model that overflows to `{link.target}`: {listing(link.models)}",
                remedy="add to its `models`, or name another client",
            )
        if rule.client not in may_be_at(config, there):
            yield Problem(
                where=CLIENT,
                found=f"{found}, whose data may not be at `{there}`",
                allowed=f"a client with a `data_class` that may be at `{there}`, where `{link.target}` is",
                remedy=f"give it such a class: `gateway.data_classes: {{overflow: [{there}]}}`",
            )
        # There, nobody is known by anything but this client: its class alone decides where requests go on to.
        onwards = {_boundary(config, sites, other.target) for other in overflows if other.source == link.target}
        onwards |= {one.boundary for name in link.models for one in config.every_model[name].upstreams.values()}
        reached = {place for place in _places(config, client.data_class, onwards) if place != there}
        for name in may_be_at(config, there):
            other = config.clients[name]
            if name == rule.client or set(link.models).isdisjoint(other.models):
                continue
            if beyond := reached - _places(config, other.data_class, reached):
                yield Problem(
                    where=CLIENT,
                    found=f"{found}, whose data may go on from `{link.target}` to {listing(sorted(beyond))}, where "
                    f"that of `{name}` may not be",
                    allowed="a client whose data may go no further than that of every client whose requests overflow",
                    remedy=f"give it a `data_class` that may be at `{there}` and nowhere else",
                )


def _boundary(config: StackConfig, sites: Mapping[str, Site], name: str) -> str:
    return sites[name].boundary or config.gateway.boundary


def _places(config: StackConfig, data_class: str | None, among: set[str]) -> set[str]:
    """Those where data of that class may be."""
    classes = {**config.gateway.data_classes, RESTRICTED: [config.gateway.boundary]}
    return among if data_class is None else among.intersection(classes[data_class])
