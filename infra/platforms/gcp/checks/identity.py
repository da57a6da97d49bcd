"""Whether Google knows who asks, and lets them see the project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor.finding import Finding, missing, ok
from infra.platforms.gcp.project import Project, Unanswered

SIGN_IN = "sign in by `gcloud auth application-default login`, or set `GOOGLE_OAUTH_ACCESS_TOKEN`"
REMEDIES: Mapping[str, str] = {
    "credentials": SIGN_IN,
    "network": "see that this machine reaches googleapis.com, and run this again",
    "refused": f"{SIGN_IN}; if that is done, see that `project` is its id, and that you may see it (`roles/browser`)",
}


def unreached(error: Unanswered) -> Finding:
    """Nobody answered the first question."""
    return missing("credentials", f"Google does not answer: {error}", REMEDIES[error.reason])


def check(project: Project) -> Iterator[Finding]:
    """Asks for the project itself. Raises Unanswered."""
    found = project.ask("cloudresourcemanager", f"v1/projects/{project.project}")
    if found.get("lifecycleState") != "ACTIVE":
        yield missing(
            "project", f"{project.project} is {found.get('lifecycleState')}", "name a `project` that is there"
        )
        return
    yield ok("credentials", f"project {project.project}, number {found.get('projectNumber')}")
