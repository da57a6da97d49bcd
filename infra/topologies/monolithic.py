"""Topology `monolithic`: one site, one replica of each model, gateway and engines side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from infra.plan.types import Placement
from infra.problems import Problem, listing
from infra.topologies.base import TopologySettings


class MonolithicSettings(TopologySettings):
    """Everything in one place."""

    kind: Literal["monolithic"] = Field(description="One site, one replica of each model, everything side by side.")


class Monolithic:
    """Implements the topology `monolithic`."""

    settings = MonolithicSettings

    def problems(
        self, where: str, settings: MonolithicSettings, sites: Sequence[str], models: Sequence[str]
    ) -> Iterator[Problem]:
        if len(sites) > 1:
            yield Problem(
                where=f"{where}.sites",
                found=f"{len(sites)} sites: {listing(sites)}",
                allowed="exactly one site in the topology `monolithic`",
                remedy="keep one site here and give each other site a stack of its own",
            )

    def place(self, settings: MonolithicSettings, sites: Sequence[str], models: Sequence[str]) -> tuple[Placement, ...]:
        (site,) = sites
        return tuple(Placement(model=model, site=site, replicas=1) for model in models)


TOPOLOGY = Monolithic()
