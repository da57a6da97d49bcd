"""Doctor of the platform `aws`: everything that a site's plan needs, asked of the account that is signed in here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from infra.doctor.finding import Finding, guarded, unknown
from infra.plan.types import SitePlan
from infra.platforms.aws.account import Account, Unanswered
from infra.platforms.aws.checks import clients, cluster, domain, identity, links, machines, places, quotas, reservations
from infra.platforms.aws.site_plan import AwsSitePlan

# By what a reader calls them; each asks for itself, so that one that may not ask hides no other.
CHECKS: tuple[tuple[str, Callable[[Account, AwsSitePlan], Iterator[Finding]]], ...] = (
    ("region and zones", places.check),
    ("machines", machines.check),
    ("reservation", reservations.check),
    ("EKS", cluster.version),
    ("add-ons", cluster.addons),
    ("roles of services", cluster.roles),
    ("domain", domain.check),
    ("certificates of clients", clients.check),
    ("private link", links.check),
    ("quotas", quotas.check),
)


class AwsDoctor:
    """Implements `Doctor`. Reads only; `infra/bootstrap/rights_doctor.py` has the right for each."""

    def findings(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        del site
        details: AwsSitePlan = plan.details
        account = Account.of(details.region)
        try:
            who = account.ask("sts", "get_caller_identity")
        except Unanswered as error:
            yield identity.unreached(error)
            yield unknown("the rest", "nothing of the account was looked at", "run this again when it is reached")
            return
        yield from identity.check(who["Account"], who["Arn"], details)
        for what, check in CHECKS:
            yield from guarded(what, lambda check=check: check(account, details), Unanswered)

    def before(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        """Nothing: Pulumi's own provider stops at wrong credentials, and what else is asked here takes too long to ask
        before each preview."""
        del site, plan
        yield from ()


DOCTOR = AwsDoctor()
