"""Doctor of the platform `cloud_run`: everything that a site's plan needs, asked of its project."""

from __future__ import annotations

from collections.abc import Iterator

from infra.platforms.cloud_run.site_plan import CloudRunSitePlan
from infra.platforms.gcp.checks import domain, places, quotas, services
from infra.platforms.gcp.examination import Check, ProjectDoctor
from infra.platforms.gcp.project import Project

# What a site uses of Google. Nobody turns it on but whoever owns the project.
SERVICES = ("run", "compute", "cloudkms", "cloudresourcemanager", "iam", "secretmanager", "storage")
# With a name of its own.
NAME_SERVICES = ("certificatemanager", "dns")


def _checks(project: Project, details: CloudRunSitePlan) -> Iterator[Check]:
    door, region = details.front_door, details.region
    wanted = [f"{service}.googleapis.com" for service in (*SERVICES, *(NAME_SERVICES if door else ()))]
    yield "services of Google", lambda: services.check(project, wanted, turned_on=False)
    yield "region", lambda: places.check(project, region, ())
    if door:
        yield "domain", lambda: domain.check(project, door.host, door.dns_zone)
    yield (
        "quotas",
        lambda: quotas.check(project, details.quotas, region=region, labels=details.labels, network=None),
    )


DOCTOR = ProjectDoctor(_checks)
