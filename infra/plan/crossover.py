"""From which load on a site that is paid for by use is dearer than one that always runs, for each such site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.plan.price_types import Crossover, CrossoverPoint
from infra.plan.types import ModelPlan, SitePlan
from infra.price.book import PriceBook
from infra.price.crossover import (
    Rival,
    Sides,
    crossover_hours_per_day,
    crossover_replicas,
    crossover_requests_per_second,
    sides,
)

# Enough to see where two lines cross, and what comes after.
FEWEST_POINTS, MOST_POINTS = 3, 12


def crossovers(models: Mapping[str, ModelPlan], sites: Mapping[str, SitePlan], book: PriceBook) -> Iterator[Crossover]:
    """Only where everything has a price, and the speed of the model is known."""
    for name, site in sites.items():
        rival: Rival | None = getattr(site.details, "rival", None)
        for model in site.models if rival else ():
            speed = models[model].performance
            found = sides(rival, book, speed.requests_per_second) if rival and speed else None
            if rival and found:
                yield _crossover(name, model, rival, found, site.replicas[model].max)


def _crossover(site: str, model: str, rival: Rival, found: Sides, most_replicas: int) -> Crossover:
    replicas, load = crossover_replicas(found), crossover_requests_per_second(found)
    last = min(MOST_POINTS, max(FEWEST_POINTS, most_replicas, (replicas or 0) + 1))
    return Crossover(
        site=site,
        model=model,
        own_name=rival.own_name,
        name=rival.name,
        replicas=replicas,
        requests_per_second=None if load is None else round(load, 3),
        points=tuple(_point(found, count) for count in range(1, last + 1)),
    )


def _point(found: Sides, replicas: int) -> CrossoverPoint:
    hours = crossover_hours_per_day(found, replicas)
    return CrossoverPoint(
        replicas=replicas,
        requests_per_second=round(replicas * found.requests_per_second, 3),
        used_dollars_per_month=round(found.used_per_month(replicas), 2),
        always_dollars_per_month=round(found.always_per_month(replicas), 2),
        hours_per_day=None if hours is None else round(hours, 1),
    )
