"""Topology `edge`: many small sites from one map, each with what all share or its own, and one that serves the rest.

Each small site is a stack of its own, so that one that is away holds nobody up; `rollout` says in which order they
change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from infra.explain import dotted
from infra.gateway.address import Origin
from infra.gateway.certificate import SecuredWaySettings
from infra.gateway.routing import Wait
from infra.gateway.secret import SecretSettings
from infra.plan.gateway_fallback import Fallback
from infra.plan.types import Placement, Replicas, SiteLink
from infra.platforms.base import PlatformSettings
from infra.problems import Problem, did_you_mean, listing
from infra.settings import Name, OneOf, Settings
from infra.topologies.base import (
    Layout,
    Place,
    PlacementRequest,
    Site,
    TopologySettings,
    everywhere,
    too_many_replicas,
)
from infra.topologies.rollout import (
    Fleet,
    HostSettings,
    RolloutSettings,
    host_of,
    rings_of,
    rollout_problems,
)

GATEWAYS = 2


class EdgeSiteSettings(Settings):
    """One small site, or what all of them share."""

    platform: Annotated[PlatformSettings, OneOf("infra.platforms:PLATFORMS")] | None = Field(
        default=None, description="What kind of place it is; unset, as in `defaults`."
    )
    models: list[str] | None = Field(
        default=None, min_length=1, description="The models that run there; unset, as in `defaults`, else all."
    )
    boundary: Name | None = Field(
        default=None, description="What `gateway.data_classes` calls it; unset, as in `defaults`."
    )
    host: HostSettings | None = Field(
        default=None,
        description="The machine that deploys it, its own box; unset, as in `defaults`, else the one that runs "
        "`make fleet`.",
    )


class FallbackSettings(SecuredWaySettings):
    """How small sites reach the central one."""

    url: Origin = Field(description="The central site's endpoint, such as https://llm.example.com.")
    key: SecretSettings = Field(description="The key that small sites show there: a client of this deployment has it.")
    wait_seconds: Wait = Field(
        default=5.0,
        description="How long a request waits for its own site before it goes to the central one, in seconds; if that "
        "cannot be reached, it is then refused with 503.",
    )


class EdgeSettings(TopologySettings):
    """Many small sites and a central one."""

    kind: Literal["edge"] = Field(description="Many small sites, one replica of each model, and a central fallback.")
    central: str = Field(
        min_length=1, description="The site, one of the deployment's `sites`, that serves what a small one cannot."
    )
    defaults: EdgeSiteSettings = Field(
        default_factory=EdgeSiteSettings, description="What all small sites share, unless they say otherwise."
    )
    sites: dict[Name, EdgeSiteSettings] = Field(
        min_length=1, description="The small sites, by name; `{}` is one with nothing of its own."
    )
    fallback: FallbackSettings | None = Field(
        default=None,
        description="How a small site's gateway reaches the central one with what its own box cannot serve: a model "
        "that it lacks, or one that is full or down. Unset, it does not.",
    )
    rollout: RolloutSettings = Field(
        default_factory=RolloutSettings, description="In which order small sites change (`make fleet`)."
    )

    @property
    def fleet(self) -> Fleet:
        """Every small site is a stack of its own."""
        return Fleet(
            hosts={name: host_of(site.host or self.defaults.host, name) for name, site in self.sites.items()},
            rings=rings_of(self.rollout, list(self.sites)),
            concurrent_sites=self.rollout.concurrent_sites,
            failed_percent=self.rollout.failed_percent,
            soak_seconds=self.rollout.soak_seconds,
            answer_seconds=self.rollout.answer_seconds,
        )

    @property
    def secured_way(self) -> SecuredWaySettings | None:
        """To the central site."""
        return self.fallback

    def way_to(self, site: str, endpoint: str | None) -> Fallback | None:
        """To the central site."""
        del site, endpoint
        known = self.fallback
        if known is None:
            return None
        return Fallback(
            place="central",
            url=known.url,
            key_file=known.key.path,
            wait_seconds=known.wait_seconds,
            tls=known.tls_files,
        )

    def longest_wait(self, seconds: float) -> float:
        """First for its own site, then for the other one to be in reach again."""
        return max(seconds, 2 * self.fallback.wait_seconds) if self.fallback else seconds


class Edge:
    """Implements the topology `edge`."""

    settings = EdgeSettings

    def sites(self, where: str, settings: EdgeSettings, written: Mapping[str, Site]) -> Mapping[str, Site]:
        shared = settings.defaults
        every = tuple(shared.models) if shared.models else None
        small = {
            name: Site(
                # A problem of what all share is one problem, not one for each.
                where=dotted(f"{where}.topology", ("sites", name) if site.platform else ("defaults",)),
                platform=site.platform or shared.platform,
                models=tuple(site.models) if site.models else every,
                boundary=site.boundary or shared.boundary,
            )
            for name, site in settings.sites.items()
        }
        return {**written, **small}

    def problems(self, request: PlacementRequest) -> Iterator[Problem]:
        settings: EdgeSettings = request.settings
        own = [name for name in request.places if name not in settings.sites]
        if settings.central not in own:
            yield Problem(
                where=f"{request.where}.topology.central",
                found=f"`{settings.central}`, which is not among the deployment's `sites`",
                allowed=listing(own),
                remedy=did_you_mean(settings.central, own, "name one of these"),
            )
        elif len(own) > 1:
            yield Problem(
                where=f"{request.where}.sites",
                found=f"{len(own)} sites: {listing(own)}",
                allowed="the central one; small ones are below `topology.sites`",
                remedy="move the others there",
            )
        yield from too_many_replicas(request, {name: request.places[name] for name in own})
        yield from rollout_problems(f"{request.where}.topology.rollout", settings.rollout, list(settings.sites))

    def place(self, request: PlacementRequest) -> Layout:
        settings: EdgeSettings = request.settings
        central = settings.central
        small = {name: place for name, place in request.places.items() if name != central}
        one = Replicas(min=1, max=1)
        placements = [*everywhere(request, central, 1)]
        placements += [
            Placement(model=model, site=site, replicas=one) for site, place in small.items() for model in place.models
        ]
        return Layout(
            placements=tuple(placements),
            gateways={central: min(GATEWAYS, request.places[central].most_replicas or GATEWAYS)}
            | dict.fromkeys(small, 1),
            links=tuple(_fallbacks(central, request.places[central], small)) if settings.fallback else (),
        )


def _fallbacks(central: str, served: Place, small: Mapping[str, Any]) -> Iterator[SiteLink]:
    """All that the central site serves: what a small one lacks, and what it has while it is down."""
    for site in small:
        yield SiteLink(source=site, target=central, reason="fallback", models=served.models)


TOPOLOGY = Edge()
