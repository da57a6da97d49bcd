"""Topology `microservice`: one site, gateways and each model on their own, each at its own scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from infra.problems import Problem
from infra.topologies.base import (
    Layout,
    PlacementRequest,
    TopologySettings,
    WrittenSites,
    everywhere,
    only_one_site,
    too_many_replicas,
)

# One may be replaced while the other serves.
GATEWAYS = 2


class MicroserviceSettings(TopologySettings):
    """One place, where every model has its own scale."""

    kind: Literal["microservice"] = Field(description="One site; gateways and each model scale on their own.")


class Microservice(WrittenSites):
    """Implements the topology `microservice`."""

    settings = MicroserviceSettings

    def problems(self, request: PlacementRequest) -> Iterator[Problem]:
        yield from only_one_site(request, "microservice", "keep one site, or choose `ha` or `hybrid` for several")
        yield from too_many_replicas(request, request.places)

    def place(self, request: PlacementRequest) -> Layout:
        ((site, place),) = request.places.items()
        return Layout(
            placements=tuple(everywhere(request, site, 1)),
            gateways={site: min(GATEWAYS, place.most_replicas or GATEWAYS)},
        )


TOPOLOGY = Microservice()
