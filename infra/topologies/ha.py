"""Topology `ha`: a site that outlives the loss of a zone, and, where wanted, a second site that outlives the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from infra.plan.types import Placement, Replicas, SiteLink
from infra.plan.zone_loss import enough
from infra.problems import Problem, did_you_mean, listing
from infra.settings import Settings
from infra.topologies.base import (
    Layout,
    Place,
    PlacementRequest,
    TopologySettings,
    WrittenSites,
    too_many_replicas,
)

# What is left when one is lost must be one at least.
LEAST_REPLICAS = 2
# A zone that goes takes a third of three.
LEAST_GATEWAYS = 3


class StandbySettings(Settings):
    """A second site that takes over when the first is gone, or that serves beside it."""

    site: str = Field(min_length=1, description="Its name, one of `sites`.")
    mode: Literal["active", "warm", "cold"] = Field(
        default="cold",
        description="`warm` runs the minimum of replicas all the time and takes over at once; `cold` runs none until "
        "then, costs next to nothing, and takes over after a cold start. `active`: both serve under one name, each "
        "client the site that is nearer, and each is as large as if it were alone.",
    )


class HaSettings(TopologySettings):
    """No single loss ends the service."""

    kind: Literal["ha"] = Field(description="Replicas over zones, and a second site in the place of the first.")
    standby: StandbySettings | None = Field(
        default=None, description="The second site; unset, the zones of the first are all there is."
    )


class Ha(WrittenSites):
    """Implements the topology `ha`."""

    settings = HaSettings

    def problems(self, request: PlacementRequest) -> Iterator[Problem]:
        standby: StandbySettings | None = request.settings.standby
        if standby is not None and standby.site not in request.places:
            yield Problem(
                where=f"{request.where}.topology.standby.site",
                found=f"`{standby.site}`, which is not among the sites",
                allowed=listing(request.places),
                remedy=did_you_mean(standby.site, request.places, "name one of these"),
            )
            return
        first = [name for name in request.places if standby is None or name != standby.site]
        if len(first) != 1:
            yield _sites(request, first, standby)
        elif standby is not None:
            yield from _same_region(request, first[0], standby)
        for name in first:
            if standby is None and request.places[name].zones < LEAST_REPLICAS:
                yield Problem(
                    where=f"{request.places[name].where}.platform",
                    found=f"{request.places[name].zones} zone on the site `{name}`, and no standby",
                    allowed="two zones or more, or a standby site: else one loss ends everything",
                    remedy="add `zones`, or a second site and `topology.standby`",
                )
            elif standby is None:
                yield from _single_points(request.places[name])
        for name, model in request.models.items():
            if model.replicas(LEAST_REPLICAS).min < LEAST_REPLICAS and standby is None:
                yield Problem(
                    where=request.scaling(name, "min_replicas"),
                    found=f"{model.min_replicas}, without a standby site",
                    allowed=f"{LEAST_REPLICAS} or more: one is lost with its zone",
                    remedy="raise it, or name a `topology.standby`",
                )
        yield from too_many_replicas(request, request.places)

    def place(self, request: PlacementRequest) -> Layout:
        standby: StandbySettings | None = request.settings.standby
        placements: list[Placement] = []
        gateways: dict[str, int] = {}
        for site, place in request.places.items():
            cold = standby is not None and site == standby.site and standby.mode == "cold"
            placed = [_placed(request, site, model) for model in place.models]
            placements += map(_none_yet, placed) if cold else placed
            # One gateway answers health checks of a cold site.
            gateways[site] = 1 if cold else place.most_replicas or max(LEAST_GATEWAYS, place.zones)
        links = () if standby is None else tuple(_takes_over(request, standby))
        # Of two that serve, each must be well by itself: nobody is led away from one that lost a zone.
        first = [site for site in request.places if standby is None or site != standby.site or _both_serve(standby)]
        return Layout(
            placements=tuple(placements),
            gateways=gateways,
            links=links,
            outlive_zones=tuple(site for site in first if request.places[site].zones >= LEAST_REPLICAS),
        )


def _sites(request: PlacementRequest, first: list[str], standby: StandbySettings | None) -> Problem:
    with_it = "" if standby is None else f" beside the standby `{standby.site}`"
    return Problem(
        where=f"{request.where}.sites",
        found=(f"{len(first)} sites: {listing(first)}" if first else "no other site") + with_it,
        allowed="one site that serves, and at most one standby",
        remedy="name the second one as `topology.standby.site`" if standby is None else "keep one site that serves",
    )


def _both_serve(standby: StandbySettings) -> bool:
    return standby.mode == "active"


def _same_region(request: PlacementRequest, first: str, standby: StandbySettings) -> Iterator[Problem]:
    """Names know who is nearer by regions."""
    region = request.places[first].region
    if _both_serve(standby) and region is not None and region == request.places[standby.site].region:
        yield Problem(
            where=f"{request.where}.topology.standby.mode",
            found=f"`active`, with both sites in `{region}`",
            allowed="`active` between two regions, each of which is nearer for somebody; or `warm` or `cold`",
            remedy="move one of the sites, or write `warm`",
        )


def _single_points(place: Place) -> Iterator[Problem]:
    for point in place.single_points:
        yield Problem(
            where=f"{place.where}.platform.{point.field}",
            found=f"{point.found}, and no standby",
            allowed=point.allowed,
            remedy=point.remedy,
        )


def _placed(request: PlacementRequest, site: str, model: str) -> Placement:
    """As many as its user says; else as reach its objective without a zone."""
    place, wanted = request.places[site], request.models[model]
    least = max(LEAST_REPLICAS, enough(wanted.needed or 1, place.zones))
    if place.most_replicas is not None:
        least = min(least, place.most_replicas)
    return Placement(model=model, site=site, replicas=wanted.replicas(least))


def _none_yet(placement: Placement) -> Placement:
    none = Replicas(min=0, max=placement.replicas.max)
    return Placement(model=placement.model, site=placement.site, replicas=none)


def _takes_over(request: PlacementRequest, standby: StandbySettings) -> Iterator[SiteLink]:
    there, reason = request.places[standby.site].models, "partner" if _both_serve(standby) else "standby"
    for site, place in request.places.items():
        if site != standby.site:
            both = tuple(model for model in place.models if model in there)
            yield SiteLink(source=site, target=standby.site, reason=reason, models=both)


TOPOLOGY = Ha()
