"""What a cloud must allow before a site can be there: quotas that a new account does not have are asked for first."""

from __future__ import annotations

from collections.abc import Iterable

from infra.plan.quota_types import QuotaNeed
from infra.plan.types import DeploymentPlan, SitePlan
from infra.report.section import Depth, Row, Section, Table
from infra.report.words import some

HEADER = ("site", "quota", "code", "needed", "of", "a new account has", "to do")


def quotas(plan: DeploymentPlan) -> Section | None:
    """A row for each site and quota; a site's own, wherever it is deployed from."""
    rows = [_row(name, need) for name, site in plan.sites.items() for need in needs_of(site)]
    if not rows:
        return None
    told = {f"{need.source} ({need.as_of})" for site in plan.sites.values() for need in needs_of(site)}
    return Section(
        name="quotas",
        title="Quotas",
        note="what the cloud must allow first, with most replicas and while machines are exchanged",
        tables=(Table(header=HEADER, rows=rows),),
        lines=(
            "what this account has, and uses already: `make doctor`",
            f"what a new account has is said by: {'; '.join(sorted(told))}",
        ),
        depth=Depth.LONG,
    )


def needs_of(site: SitePlan) -> tuple[QuotaNeed, ...]:
    """None where a platform has no quotas to ask for, or knows none."""
    found: Iterable[object] = getattr(site.details, "quotas", ())
    return tuple(one for one in found if isinstance(one, QuotaNeed))


def _row(site: str, need: QuotaNeed) -> Row:
    beyond = f", {need.others:,} with other machines" if need.others > need.needed else ""
    unknown = f" and what {some(need.uncounted)} have" if need.uncounted else ""
    default = "nobody here knows" if need.default is None else f"{need.default:,}"
    return (
        site,
        need.name,
        f"{need.service} {need.code or ''}".strip(),
        f"{need.needed:,}{f' {need.counts}' if need.counts else ''}{beyond}{unknown}",
        some(need.of),
        default,
        _to_do(need),
    )


def _to_do(need: QuotaNeed) -> str:
    """Where accounts differ, only the account itself says whether it is enough."""
    if need.enough_by_default:
        return ""
    return "look: `make doctor`" if need.code and need.default is None else "ask for it"
