"""Where it runs: every site, what is planned there, and the ways between sites."""

from __future__ import annotations

from infra.plan.types import DeploymentPlan, Replicas, SitePlan
from infra.report.section import Depth, Section, Table
from infra.report.words import replica_range, some

ONE = Replicas(min=1, max=1)


def sites(plan: DeploymentPlan) -> Section:
    """One row each."""
    rows = [
        (name, site.platform, site.endpoint, some(placed(model, site) for model in site.models))
        for name, site in plan.sites.items()
    ]
    return Section(
        name="sites", title="Sites", tables=(Table(header=("site", "platform", "endpoint", "models"), rows=rows),)
    )


def each_site(plan: DeploymentPlan) -> Section | None:
    """Machines, network, front door: a table for each site that has any."""
    tables = tuple(
        Table(
            title=f"Site {name}",
            header=("what", "planned"),
            rows=[*site.summary.items(), ("gateways", str(site.gateways) if site.gateways else "from zero")],
        )
        for name, site in plan.sites.items()
        if site.summary
    )
    return Section(name="machines", title="Machines of each site", tables=tables, depth=Depth.LONG) if tables else None


def placed(model: str, site: SitePlan) -> str:
    """A model with its replicas there, where they are more than one."""
    replicas = site.replicas[model]
    return model if replicas == ONE else f"{model} × {replica_range(replicas)}"
