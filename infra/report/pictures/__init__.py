"""Pictures of a plan: each a small SVG that says in words what it shows. A chart more is a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from infra.plan.types import DeploymentPlan
from infra.report.pictures.crossover import crossovers
from infra.report.pictures.fit import fit
from infra.report.pictures.latency import latency
from infra.report.pictures.place import places
from infra.report.pictures.price import price
from infra.report.pictures.svg import Picture
from infra.report.pictures.timeline import cold_starts, drains
from infra.report.pictures.topology import topology

# In the order in which they stand; a model's or a site's own are drawn for the first few.
CHARTS: Mapping[str, Callable[[DeploymentPlan], Iterator[Picture]]] = {
    "fit": fit,
    "price": price,
    "crossover": crossovers,
    "latency": latency,
    "drain": drains,
    "cold-start": cold_starts,
}

__all__ = ["CHARTS", "places", "topology"]
