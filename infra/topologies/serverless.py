"""Topology `serverless`: one site that runs nothing while nobody asks, and lets requests wait for what starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from infra.explain import dotted
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


class ServerlessSettings(TopologySettings):
    """Nothing runs while nobody asks."""

    kind: Literal["serverless"] = Field(description="One site; models start when they are asked for and end when idle.")


class Serverless(WrittenSites):
    """Implements the topology `serverless`."""

    settings = ServerlessSettings

    def problems(self, request: PlacementRequest) -> Iterator[Problem]:
        yield from only_one_site(request, "serverless", "keep one site and give each other one a stack of its own")
        for name, place in request.places.items():
            if not place.scales_to_zero:
                yield Problem(
                    where=f"{place.where}.platform",
                    found=f"the site `{name}`, where replicas do not end when idle",
                    allowed="a platform whose replicas end when idle: `cloud_run`, or a cluster with `keda: true`",
                    remedy="choose one of these, or the topology `microservice`",
                )
        for name, model in request.models.items():
            if model.replicas(0).min == 0 and not model.holds:
                yield Problem(
                    where=dotted(request.where, ("models", name)),
                    found="no replica while idle, and no `hold`",
                    allowed="`hold`, so that requests wait for a start, or a minimum of one replica",
                    remedy="add `hold: {}`, or set `scaling.min_replicas`",
                )
        yield from too_many_replicas(request, request.places)

    def place(self, request: PlacementRequest) -> Layout:
        (site,) = request.places
        # The gateway is what wakes the others, so it is never the one that sleeps; the platform may do without.
        return Layout(placements=tuple(everywhere(request, site, 0)), gateways={site: 1})


TOPOLOGY = Serverless()
