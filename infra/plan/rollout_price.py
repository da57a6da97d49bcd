"""What one change costs where it runs a replica more: a machine for as long as all replicas take to start again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra.plan.price_types import Amount, Dollars, RolloutPrice
from infra.plan.serving import ServingSite
from infra.plan.types import ModelPlan, SitePlan
from infra.price.bill import HOURS_PER_MONTH, Line


def rollout_prices(
    models: Mapping[str, ModelPlan], sites: Mapping[str, SitePlan], lines: Sequence[Line]
) -> tuple[RolloutPrice, ...]:
    """By site and model, where its machines are paid for and one replica more runs meanwhile. Replicas follow one
    another, so it is there for as many starts as there are replicas."""
    return tuple(
        _price(name, model, site, sites[site], own)
        for name, model in models.items()
        for site in model.sites
        if spare_gpus(name, model, sites[site]) is not None
        and (own := [line for line in lines if line.site == site and name in line.models])
    )


def spare_gpus(name: str, model: ModelPlan, site: SitePlan) -> int | None:
    """GPUs that a change needs beside those of all replicas; None where it runs no replica more."""
    details = site.details
    engine = details.serving.engines.get(name) if isinstance(details, ServingSite) else None
    if engine is None or not engine.pod.surge:
        return None
    return engine.pod.surge * (model.accelerator.count * model.nodes if model.accelerator else 0)


def _price(name: str, model: ModelPlan, where: str, site: SitePlan, own: Sequence[Line]) -> RolloutPrice:
    hourly = _dollars_per_hour(own, model.nodes)
    replicas, start = site.replicas[name], model.cold_start
    hours = None if start is None else [n * start.seconds_by_site[where] / 3600 for n in (replicas.min, replicas.max)]
    return RolloutPrice(
        site=where,
        model=name,
        gpus=spare_gpus(name, model, site) or 0,
        dollars_per_hour=None if hourly is None else round(hourly, 4),
        minutes=None if hours is None else Amount(min=round(hours[0] * 60, 1), max=round(hours[1] * 60, 1)),
        dollars=None
        if hourly is None or hours is None
        else Dollars(min=round(hourly * hours[0], 2), max=round(hourly * hours[1], 2)),
    )


def _dollars_per_hour(own: Sequence[Line], nodes: int) -> float | None:
    """Whole machines and their fees: a replica that shares one may be the first on a new one."""
    each = [_of_one(line) for line in own]
    return None if None in each else sum(dollars or 0 for dollars in each) * nodes


def _of_one(line: Line) -> float | None:
    most = line.dollars_per_month_maximum
    return None if most is None else most / HOURS_PER_MONTH / line.maximum
