"""Who comes in where: what every drawing of the topology asks of a plan."""

from __future__ import annotations

from infra.plan.serving import ServingSite
from infra.plan.types import DeploymentPlan, ModelPlan, SitePlan
from infra.report.words import count


def entrances(plan: DeploymentPlan) -> frozenset[str]:
    """Sites that clients call while all is well: not those that only take over, or take what is too much."""
    behind = {link.target for link in plan.links if link.reason in ("standby", "overflow")}
    return frozenset(plan.sites) - behind


def shown_sites(plan: DeploymentPlan, most: int) -> list[str]:
    """The first, in the plan's order; those that links lead to before others."""
    if len(plan.sites) <= most:
        return [*plan.sites]
    first = list(dict.fromkeys((*(link.target for link in plan.links), *plan.sites)))[:most]
    return [name for name in plan.sites if name in first]


def most_models(plan: DeploymentPlan) -> int:
    """How many of one site are drawn: fewer where many sites have them."""
    return 4 if len(plan.sites) <= 2 else 2


def gateways_text(site: SitePlan) -> str:
    """Zero gateways are started by the first request."""
    return count(site.gateways, "gateway") if site.gateways else "gateway, from zero"


def each_on(model: ModelPlan) -> str:
    """What one replica runs on."""
    if model.accelerator is None:
        return "processors"
    return f"{f'{model.nodes} × ' if model.nodes > 1 else ''}{model.accelerator.count} × {model.accelerator.type}"


def boundary(site: SitePlan) -> str:
    """What data of clients may or may not go to."""
    return site.details.gateway_config["boundary"]


def zones(site: SitePlan) -> tuple[str, ...]:
    """Over which it is spread: none where nobody says so, or where there is but one place."""
    return site.details.serving.zones if isinstance(site.details, ServingSite) else ()
