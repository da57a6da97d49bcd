"""What can be planned and not deployed: said in one sentence, before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping

from infra.naming import DEPLOYMENT_KEY
from infra.plan.types import DeploymentPlan
from infra.platforms import PLATFORMS
from infra.problems import Problem, Refused, listing


def refuse_undeployable(plan: DeploymentPlan) -> None:
    """Raises Refused when a site's platform has no component, when several sites are this very machine, or when
    something is not said that only a deployment needs."""
    by_platform: dict[str, list[str]] = {}
    for name in plan.deployed_sites:
        by_platform.setdefault(plan.sites[name].platform, []).append(name)
    problems = [
        Problem(
            where=f"{DEPLOYMENT_KEY}.sites",
            found=f"the platform `{platform}`, which can be planned (`make plan STACK={plan.stack}`) but not deployed "
            "by this version",
            allowed=f"platforms that it deploys: {listing(_deployed())}",
            remedy="deploy nothing yet, or use a platform of this version",
        )
        for platform in by_platform
        if PLATFORMS[platform].component is None
    ]
    problems += _same_machine(by_platform)
    # The same image is missing once, on however many sites.
    missing = [problem for name in plan.deployed_sites for problem in getattr(plan.sites[name].details, "missing", ())]
    problems += dict.fromkeys(missing) if not problems else ()
    if problems:
        raise Refused(f"the stack `{plan.stack}`", problems)


def _deployed() -> list[str]:
    return [kind for kind, platform in PLATFORMS.items() if platform.component is not None]


def _same_machine(by_platform: Mapping[str, list[str]]) -> list[Problem]:
    return [
        Problem(
            where=f"{DEPLOYMENT_KEY}.sites",
            found=f"{len(sites)} sites of the platform `{platform}`, which is always the machine that deploys",
            allowed="one such site in a stack",
            remedy="give each machine a stack of its own, deployed there: the same deployment, and `slipway:site`",
        )
        for platform, sites in by_platform.items()
        if len(sites) > 1 and PLATFORMS[platform].is_this_machine
    ]
