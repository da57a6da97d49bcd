"""Doctor of the platform `gcp`: everything that a site's plan needs, asked of its project by who is signed in here."""

from __future__ import annotations

from collections.abc import Iterator

from infra.platforms.gcp.checks import domain, machines, places, quotas, services
from infra.platforms.gcp.examination import Check, ProjectDoctor
from infra.platforms.gcp.project import Project
from infra.platforms.gcp.site_plan import GcpSitePlan


def _checks(project: Project, details: GcpSitePlan) -> Iterator[Check]:
    """By what a reader calls them; each asks for itself, so that one that may not ask hides no other."""
    door = details.front_door
    yield "services of Google", lambda: services.check(project, details.services, turned_on=True)
    yield "region and zones", lambda: places.check(project, details.region, details.zones)
    yield "machines", lambda: machines.check(project, [*details.machines.pools.values()])
    yield "domain", lambda: domain.check(project, door.host, door.dns_zone)
    yield (
        "quotas",
        lambda: quotas.check(
            project,
            details.quotas,
            region=details.region,
            labels=details.labels,
            network=details.network.network if details.network.nodes else None,
        ),
    )


DOCTOR = ProjectDoctor(_checks)
