"""What a reader is told, in this order, in every format. A section more is a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from infra.plan.types import DeploymentPlan
from infra.report.cards import cards
from infra.report.cheaper import cheaper
from infra.report.cold_start import cold_start, cold_start_phases
from infra.report.crossover import crossover
from infra.report.drain import drain, drain_ladders
from infra.report.first_up import first_up
from infra.report.links import links
from infra.report.making import making
from infra.report.measured import measured
from infra.report.models import clients, fit_and_speed, load, models, remote_models
from infra.report.places import each_site, sites
from infra.report.price import price
from infra.report.quotas import quotas
from infra.report.releases import releases
from infra.report.section import Section
from infra.report.security import security
from infra.report.trials import trials
from infra.report.warnings import warnings

# None: this plan has nothing to say of it.
SECTIONS: tuple[Callable[[DeploymentPlan], Section | None], ...] = (
    sites,
    each_site,
    links,
    models,
    cards,
    fit_and_speed,
    load,
    measured,
    remote_models,
    cold_start,
    cold_start_phases,
    price,
    cheaper,
    crossover,
    quotas,
    first_up,
    drain,
    drain_ladders,
    security,
    clients,
    trials,
    making,
    releases,
    warnings,
)


def sections(plan: DeploymentPlan) -> Iterator[Section]:
    """Those that this plan has something to say in."""
    for make in SECTIONS:
        section = make(plan)
        if section is not None:
            yield section
