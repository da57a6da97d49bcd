"""How a project is examined: who asks first, then each check for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from infra.doctor.finding import Finding, guarded, unknown
from infra.plan.types import SitePlan
from infra.platforms.gcp.checks import identity
from infra.platforms.gcp.project import Project, Unanswered

Details = TypeVar("Details")
Check = tuple[str, Callable[[], Iterator[Finding]]]


class ProjectDoctor(Generic[Details]):
    """Implements `Doctor` for sites that are in a project, by a platform's own checks of one. Reads only."""

    def __init__(self, checks: Callable[[Project, Details], Iterator[Check]]) -> None:
        self._checks = checks

    def findings(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        """Every check's rows; where nobody answers, a row that says so and one for all the rest."""
        del site
        try:
            asking = Project.of(plan.details.project)
            yield from identity.check(asking)
        except Unanswered as error:
            yield identity.unreached(error)
            yield unknown("the rest", "nothing of the project was looked at", "run this again when it is reached")
            return
        for what, check in self._checks(asking, plan.details):
            yield from guarded(what, check, Unanswered)

    def before(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        """Nothing: Pulumi's own provider stops at wrong credentials, and the rest takes too long before a preview."""
        del site, plan
        yield from ()
