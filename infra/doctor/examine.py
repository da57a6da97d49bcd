"""Examines what a stack deploys: what its plan alone lacks, then each site by its platform's own doctor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.doctor.finding import Doctor, Finding, missing
from infra.plan.deployable import refuse_undeployable
from infra.plan.types import DeploymentPlan
from infra.platforms import PLATFORMS
from infra.problems import Refused
from infra.registry import load_object


def examine(plan: DeploymentPlan) -> Mapping[str, tuple[Finding, ...]]:
    """Rows by site, in the order of the plan. Those of no site alone are of the stack, whose name is empty here."""
    found: dict[str, tuple[Finding, ...]] = {"": tuple(_undeployable(plan))}
    for site in plan.deployed_sites:
        found[site] = tuple(_of_site(plan, site))
    return {site: rows for site, rows in found.items() if rows}


def _undeployable(plan: DeploymentPlan) -> Iterator[Finding]:
    try:
        refuse_undeployable(plan)
    except Refused as refused:
        for problem in refused.problems:
            yield missing(problem.where.rpartition(":")[2], problem.found, problem.remedy)


def _of_site(plan: DeploymentPlan, site: str) -> Iterator[Finding]:
    platform = plan.sites[site].platform
    reference = PLATFORMS[platform].doctor
    if reference is None:
        yield missing(
            f"platform `{platform}`",
            "live checks of this platform are not available in this version: nothing was looked at",
            "check quotas, GPU stock, zones and rights in the cloud's own console",
        )
        return
    doctor: Doctor = load_object(reference)
    yield from doctor.findings(site, plan.sites[site])
