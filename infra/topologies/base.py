"""What a topology is: settings a user writes, and a pure `place` from models and sites to who runs where and how often.

A topology never asks what platform a site is of: it sees what the platform says a place is able to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from infra.explain import dotted
from infra.gateway.certificate import SecuredWaySettings
from infra.plan.gateway_fallback import Fallback
from infra.plan.link_types import Overflow
from infra.plan.types import Placement, Replicas, SiteLink
from infra.plan.zone_loss import SinglePoint
from infra.problems import Problem, listing
from infra.settings import Settings
from infra.topologies.rollout import Fleet


class TopologySettings(Settings):
    """Base of every topology's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any

    @property
    def fleet(self) -> Fleet | None:
        """The sites that are a stack each, and how they are rolled out; None: one stack has them all."""
        return None

    @property
    def overflow_rule(self) -> Overflow | None:
        """By which rule the layout's links of the reason `overflow` are taken; None: there are none."""
        return None

    @property
    def secured_way(self) -> SecuredWaySettings | None:
        """How the gateways at both ends of the layout's links make sure of each other; None: nothing is said of it."""
        return None

    def way_to(self, site: str, endpoint: str | None) -> Fallback | None:
        """How a site's gateway takes the layout's link to another one, which has that endpoint; None: it does not."""
        del site, endpoint
        return None

    def longest_wait(self, seconds: float) -> float:
        """How long a request waits at most before an engine has it, anywhere, where its own site holds it so long."""
        return seconds


@dataclass(frozen=True, kw_only=True)
class Site:
    """One site as it is written: `where` its `platform` stands, and the models it may run (None: as placed)."""

    where: str
    platform: Any
    models: tuple[str, ...] | None
    boundary: str | None


@dataclass(frozen=True, kw_only=True)
class Place:
    """One site as a topology sees it. `most_replicas` is None where replicas are only limited by machines;
    `single_points` are what all replicas of the site need and only one zone has; `endpoint` is where others reach it,
    over `way` (None: the internet); `region` is None on own machines."""

    where: str
    zones: int
    most_replicas: int | None
    scales_to_zero: bool
    models: tuple[str, ...]
    single_points: tuple[SinglePoint, ...] = ()
    endpoint: str | None = None
    way: str | None = None
    region: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One model as a topology sees it. `holds` says whether requests wait while nothing is ready; `needed` is how many
    replicas its objective takes, None where nobody knows."""

    min_replicas: int | None
    max_replicas: int | None
    holds: bool
    needed: int | None = None

    def replicas(self, least: int) -> Replicas:
        """What the user says, else as few as possible."""
        low = least if self.min_replicas is None else self.min_replicas
        return Replicas(min=low, max=max(low, 1) if self.max_replicas is None else max(low, self.max_replicas))


@dataclass(frozen=True, kw_only=True)
class PlacementRequest:
    """What is to be placed. `where` is the deployment's path in the configuration, for problems."""

    where: str
    settings: Any
    places: Mapping[str, Place]
    models: Mapping[str, Wanted]

    def scaling(self, model: str, field: str) -> str:
        """The path of a model's scaling, for problems."""
        return dotted(self.where, ("models", model, "scaling", field))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Who runs where and how often, how many gateways each site has, and where requests go from one to another.
    `outlive_zones` are sites that must go on without one of their zones. `together` says that a site's gateway and
    engines are one: they start, move and end as one."""

    placements: tuple[Placement, ...]
    gateways: Mapping[str, int]
    links: tuple[SiteLink, ...] = ()
    outlive_zones: tuple[str, ...] = ()
    together: bool = False


class Topology(Protocol):
    """One way to spread models over sites. Pure."""

    @property
    def settings(self) -> type[TopologySettings]: ...

    def sites(self, where: str, settings: Any, written: Mapping[str, Site]) -> Mapping[str, Site]:
        """Every site: those that are written below `sites`, and those that the topology makes itself."""
        ...

    def problems(self, request: PlacementRequest) -> Iterator[Problem]:
        """Why these sites and models cannot be this topology, each with what is missing."""
        ...

    def place(self, request: PlacementRequest) -> Layout:
        """Who runs where. Called only when there is no problem."""
        ...


class WrittenSites:
    """For topologies that make no sites of their own."""

    def sites(self, where: str, settings: Any, written: Mapping[str, Site]) -> Mapping[str, Site]:
        return written


def only_one_site(request: PlacementRequest, topology: str, instead: str) -> Iterator[Problem]:
    """A topology of one place."""
    if len(request.places) > 1:
        yield Problem(
            where=f"{request.where}.sites",
            found=f"{len(request.places)} sites: {listing(request.places)}",
            allowed=f"exactly one site in the topology `{topology}`",
            remedy=instead,
        )


def everywhere(request: PlacementRequest, site: str, least: int) -> Iterator[Placement]:
    """Every model of a site, at its own scale."""
    for model in request.places[site].models:
        yield Placement(model=model, site=site, replicas=request.models[model].replicas(least))


def too_many_replicas(request: PlacementRequest, sites: Mapping[str, Place]) -> Iterator[Problem]:
    """Sites that run fewer replicas of a model than it may have."""
    for name, place in sites.items():
        for model in place.models:
            high = request.models[model].replicas(0).max
            if place.most_replicas is not None and high > place.most_replicas:
                yield Problem(
                    where=request.scaling(model, "max_replicas"),
                    found=f"{high}, on the site `{name}`, which runs at most {place.most_replicas}",
                    allowed=f"up to {place.most_replicas} there",
                    remedy="lower it, or choose a platform with more machines for this site",
                )
