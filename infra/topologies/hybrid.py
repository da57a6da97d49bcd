"""Topology `hybrid`: several sites in order, such as own machines first; what one cannot take overflows to the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from infra.plan.types import SiteLink
from infra.problems import Problem, did_you_mean, listing
from infra.settings import Settings
from infra.topologies.base import (
    Layout,
    PlacementRequest,
    TopologySettings,
    WrittenSites,
    everywhere,
    too_many_replicas,
)

GATEWAYS = 2


class OverflowSettings(Settings):
    """When requests go to the next site. Where a client's data may go is in `gateway.data_classes`."""

    busy_percent: int = Field(
        default=90, ge=1, le=100, description="Share of a site's concurrent requests from which on new ones overflow."
    )
    return_percent: int = Field(
        default=70, ge=0, le=99, description="Share below which they stay again; lower, so that it does not flap."
    )
    wait_seconds: float = Field(
        default=0.0, ge=0, le=60, description="How long a request waits for its own site before it goes, in seconds."
    )


class HybridSettings(TopologySettings):
    """Sites in order of preference."""

    kind: Literal["hybrid"] = Field(description="Sites in order; when one is full, requests go to the next.")
    order: Annotated[list[str], Field(min_length=2)] = Field(
        description="Every site, the one that serves first at the beginning."
    )
    overflow: OverflowSettings = Field(
        default_factory=OverflowSettings, description="When requests go to the next site."
    )


class Hybrid(WrittenSites):
    """Implements the topology `hybrid`."""

    settings = HybridSettings

    def problems(self, request: PlacementRequest) -> Iterator[Problem]:
        settings: HybridSettings = request.settings
        order = settings.order
        for index, site in enumerate(order):
            if site not in request.places:
                yield Problem(
                    where=f"{request.where}.topology.order[{index}]",
                    found=f"`{site}`, which is not among the sites",
                    allowed=listing(request.places),
                    remedy=did_you_mean(site, request.places, "name one of these"),
                )
            elif site in order[:index]:
                yield Problem(
                    where=f"{request.where}.topology.order[{index}]",
                    found=f"`{site}` a second time",
                    allowed="each site once",
                    remedy="remove one of the two",
                )
        if left := [site for site in request.places if site not in set(order)]:
            yield Problem(
                where=f"{request.where}.topology.order",
                found=f"no place for {listing(left)}",
                allowed="every site of the deployment",
                remedy="add it where it belongs in the order",
            )
        if settings.overflow.return_percent >= settings.overflow.busy_percent:
            yield Problem(
                where=f"{request.where}.topology.overflow.return_percent",
                found=f"{settings.overflow.return_percent}, with `busy_percent` {settings.overflow.busy_percent}",
                allowed="less than `busy_percent`: else requests go back and forth",
                remedy="lower it",
            )
        yield from too_many_replicas(request, request.places)

    def place(self, request: PlacementRequest) -> Layout:
        order: list[str] = request.settings.order
        return Layout(
            placements=tuple(placement for site in order for placement in everywhere(request, site, 1)),
            gateways={site: min(GATEWAYS, place.most_replicas or GATEWAYS) for site, place in request.places.items()},
            links=tuple(_overflows(request, order)),
        )


def _overflows(request: PlacementRequest, order: list[str]) -> Iterator[SiteLink]:
    for source, target in pairwise(order):
        there = request.places[target].models
        both = tuple(model for model in request.places[source].models if model in there)
        yield SiteLink(source=source, target=target, reason="overflow", models=both)


TOPOLOGY = Hybrid()
