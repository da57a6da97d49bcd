"""The region and its zones: whether they are there for the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.doctor.finding import Finding, missing, ok
from infra.platforms.gcp.project import Project


def check(project: Project, region: str, zones: Sequence[str]) -> Iterator[Finding]:
    """Asks the region for its zones."""
    found = project.find("compute", f"compute/v1/projects/{project.project}/regions/{region}")
    if found is None:
        yield missing(f"region {region}", "Google has none of this name", "correct `region`")
        return
    yield ok(f"region {region}", "there")
    known = [url.rpartition("/")[2] for url in found.get("zones", ())]
    lacking = [zone for zone in zones if zone not in known]
    for zone in lacking:
        yield missing(
            f"zone {zone}", "the region has none of this name", f"name others below `zones`: {', '.join(known)}"
        )
    if well := [zone for zone in zones if zone not in lacking]:
        yield ok("zones", f"{', '.join(well)}: there")
