"""Services of Google: which must be on in the project, and who turns them on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.doctor.finding import Finding, missing, ok
from infra.platforms.gcp.project import Project

# As many as may be asked for at once (Service Usage API, services.batchGet, read 2026-11).
AT_ONCE = 30
# By which a deployment turns others on.
TURNS_ON = "serviceusage.googleapis.com"


def check(project: Project, services: Sequence[str], *, turned_on: bool) -> Iterator[Finding]:
    """`turned_on`: a deployment does that itself, but for the service that it asks for it."""
    wanted = [TURNS_ON, *services] if turned_on else [*services]
    names = [f"projects/{project.project}/services/{service}" for service in wanted]
    there: set[str] = set()
    for start in range(0, len(names), AT_ONCE):
        path = f"v1/projects/{project.project}/services:batchGet"
        found = project.ask("serviceusage", path, names=names[start : start + AT_ONCE])
        there |= {one["name"].rpartition("/")[2] for one in found.get("services", ()) if one.get("state") == "ENABLED"}
    off = [service for service in wanted if service not in there]
    yield from judged(project.project, len(wanted) - len(off), off, turned_on=turned_on)


def judged(project: str, on: int, off: Sequence[str], *, turned_on: bool) -> Iterator[Finding]:
    """What is off is missing only where nobody turns it on."""
    needed = [service for service in off if service == TURNS_ON or not turned_on]
    if needed:
        yield missing(
            "services of Google",
            f"off: {', '.join(needed)}",
            f"`gcloud services enable {' '.join(needed)} --project={project}`",
        )
        return
    later = f"; turned on by the first deployment: {', '.join(off)}" if off else ""
    yield ok("services of Google", f"{on} on{later}")
