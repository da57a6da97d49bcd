"""The classes that deploy the sites of a plan, loaded before anything is made: a missing package is told in words."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from infra.naming import PROJECT
from infra.plan.types import DeploymentPlan
from infra.platforms import PLATFORMS
from infra.problems import Problem, Refused
from infra.registry import load_object


def site_components(plan: DeploymentPlan) -> Mapping[str, Any]:
    """By site. Raises Refused where the packages that one needs are not installed."""
    found: dict[str, Any] = {}
    for site in plan.deployed_sites:
        platform = PLATFORMS[plan.sites[site].platform]
        try:
            found[site] = load_object(platform.component or "")
        except ModuleNotFoundError as missing:
            package = (missing.name or "").partition(".")[0]
            # Of ours, it is a fault; of Pulumi's, it was never installed.
            if not package.startswith("pulumi") or importlib.util.find_spec(package) is not None:
                raise
            raise Refused(f"the stack `{plan.stack}`", [_missing(package, platform.extras)]) from None
    return found


def _missing(package: str, extras: tuple[str, ...]) -> Problem:
    wanted = " ".join(extras) or PROJECT
    return Problem(
        where=".venv",
        found=f"no package `{package}`, with which this stack is deployed",
        allowed=f"what the lock of its platform has: {wanted}",
        remedy=f"run `tools/python/install local {wanted}`, then the same command again",
    )
