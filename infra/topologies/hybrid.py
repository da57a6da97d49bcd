"""Topology `hybrid`: several sites in order, such as own machines first; what one cannot take overflows to the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from infra.gateway.address import Origin
from infra.gateway.certificate import SecuredWaySettings
from infra.gateway.secret import SecretSettings
from infra.plan.gateway_fallback import Fallback
from infra.plan.link_types import Overflow, SiteLink
from infra.problems import Problem, did_you_mean, listing
from infra.topologies.base import (
    Layout,
    PlacementRequest,
    TopologySettings,
    WrittenSites,
    everywhere,
    too_many_replicas,
)

GATEWAYS = 2


class OverflowSettings(SecuredWaySettings):
    """When requests go to the next site, and how. Where a client's data may go is in `gateway.data_classes`."""

    client: str = Field(
        min_length=1,
        description="The client of this deployment that a site is at the next one: its limits, models and data class "
        "count there.",
    )
    key: SecretSettings = Field(description="That client's key, which a site shows to the next one.")
    url: Origin | None = Field(
        default=None, description="Where the next site is reached; unset, at the domain of its platform."
    )
    busy_percent: int = Field(
        default=90,
        ge=2,
        le=100,
        description="Share of a site's concurrent requests from which on new ones overflow; with 100, once they waited "
        "`wait_seconds` for a place.",
    )
    return_percent: int = Field(
        default=70, ge=1, le=99, description="Share below which they stay again; lower, so that it does not flap."
    )
    kv_cache_percent: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Share of the engines' KV caches in use from which on new ones overflow too, where the engine says "
        "it (`llama_cpp` does not); they stay again in the same proportion. Unset, nobody asks.",
    )
    wait_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        default=0.0,
        description="How long a request waits where its own site has no place for it before it goes, in seconds; those "
        "after it then go at once.",
    )
    dollars_per_day: float | None = Field(
        default=None,
        ge=0.01,
        le=1_000_000,
        description="What overflow may cost in a day (UTC), all models and gateways of a site together; then requests "
        "stay. Tokens cost what the model's `price` says, else what machines of the next site cost for them. Unset, "
        "no limit.",
    )


class HybridSettings(TopologySettings):
    """Sites in order of preference."""

    kind: Literal["hybrid"] = Field(description="Sites in order; when one is full, requests go to the next.")
    order: Annotated[list[str], Field(min_length=2)] = Field(
        description="Every site, the one that serves first at the beginning."
    )
    overflow: OverflowSettings | None = Field(
        default=None, description="When requests go to the next site, and how. Unset, they stay where they came in."
    )

    @property
    def overflow_rule(self) -> Overflow | None:
        """As it is written; without prices."""
        known = self.overflow
        if known is None:
            return None
        return Overflow(
            busy_percent=known.busy_percent,
            return_percent=known.return_percent,
            wait_seconds=known.wait_seconds,
            kv_cache_percent=known.kv_cache_percent,
            client=known.client,
            dollars_per_day=known.dollars_per_day,
        )

    @property
    def secured_way(self) -> SecuredWaySettings | None:
        """To the next site."""
        return self.overflow

    def way_to(self, site: str, endpoint: str | None) -> Fallback | None:
        """To the next site."""
        del site  # a new name for it would be another model to every gateway of this one
        known = self.overflow
        url = (known.url or endpoint) if known else None
        if known is None or url is None:
            return None
        return Fallback(
            place="next",
            url=url,
            key_file=known.key.path,
            wait_seconds=known.wait_seconds,
            overflow=self.overflow_rule,
            tls=known.tls_files,
        )

    def longest_wait(self, seconds: float) -> float:
        """For a place, and then, where the next site does not take it, as long as any other."""
        return seconds + (self.overflow.wait_seconds if self.overflow else 0.0)


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
        if settings.overflow:
            yield from _overflow_problems(f"{request.where}.topology.overflow", settings.overflow, order, request)
        yield from too_many_replicas(request, request.places)

    def place(self, request: PlacementRequest) -> Layout:
        order: list[str] = request.settings.order
        return Layout(
            placements=tuple(placement for site in order for placement in everywhere(request, site, 1)),
            gateways={site: min(GATEWAYS, place.most_replicas or GATEWAYS) for site, place in request.places.items()},
            links=tuple(_overflows(request, order)) if request.settings.overflow else (),
        )


def _overflow_problems(
    where: str, overflow: OverflowSettings, order: list[str], request: PlacementRequest
) -> Iterator[Problem]:
    if overflow.return_percent >= overflow.busy_percent:
        yield Problem(
            where=f"{where}.return_percent",
            found=f"{overflow.return_percent}, with `busy_percent` {overflow.busy_percent}",
            allowed="less than `busy_percent`: else requests go back and forth",
            remedy="lower it",
        )
    if overflow.url is not None and len(order) > 2:
        yield Problem(
            where=f"{where}.url",
            found=f"one address, with {len(order) - 1} sites that are the next of another",
            allowed="an address with two sites in `order`; of more, each is reached at the domain of its platform",
            remedy="remove it",
        )
    for site in order[1:] if overflow.url is None else ():
        if site in request.places and request.places[site].endpoint is None:
            yield Problem(
                where=f"{where}.url",
                found=f"nothing, and the platform of `{site}` has no domain",
                allowed="the origin at which that site is reached, such as https://llm.example.com",
                remedy="add `url: ORIGIN`, or give the site a domain",
            )


def _overflows(request: PlacementRequest, order: list[str]) -> Iterator[SiteLink]:
    for source, target in pairwise(order):
        there = request.places[target].models
        both = tuple(model for model in request.places[source].models if model in there)
        # An address that is written may be led to by anything.
        over = None if request.settings.overflow.url else request.places[target].way or "the internet"
        yield SiteLink(source=source, target=target, reason="overflow", models=both, over=over)


TOPOLOGY = Hybrid()
