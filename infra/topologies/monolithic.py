"""Topology `monolithic`: one site, one replica of each model, gateway and engines side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from infra.plan.types import Placement, Replicas
from infra.problems import Problem
from infra.topologies.base import Layout, PlacementRequest, TopologySettings, WrittenSites, only_one_site


class MonolithicSettings(TopologySettings):
    """Everything in one place."""

    kind: Literal["monolithic"] = Field(description="One site, one replica of each model, everything side by side.")


class Monolithic(WrittenSites):
    """Implements the topology `monolithic`."""

    settings = MonolithicSettings

    def problems(self, request: PlacementRequest) -> Iterator[Problem]:
        yield from only_one_site(
            request, "monolithic", "keep one site here and give each other site a stack of its own"
        )
        for name, model in request.models.items():
            for field, value in (("min_replicas", model.min_replicas), ("max_replicas", model.max_replicas)):
                if value not in (None, 1):
                    yield Problem(
                        where=request.scaling(name, field),
                        found=f"{value}, in the topology `monolithic`",
                        allowed="1: one replica of each model",
                        remedy="remove it, or choose the topology `microservice`, where each model has its own scale",
                    )

    def place(self, request: PlacementRequest) -> Layout:
        ((site, place),) = request.places.items()
        one = Replicas(min=1, max=1)
        return Layout(
            placements=tuple(Placement(model=model, site=site, replicas=one) for model in place.models),
            gateways={site: 1},
            together=True,
        )


TOPOLOGY = Monolithic()
