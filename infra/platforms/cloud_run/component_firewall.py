"""Deploys Cloud Armor in front of a site on Cloud Run: a bound for each address, and Google's own rules, counted."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.cloud_run.site_plan import FrontDoorPlan
from infra.platforms.gcp.component_armor_rules import REFUSED, everybody_else, per_address

compute = gcp.compute
# The first that fits decides; the last one is for whoever is left.
FIRST_COUNTED, BOUND = 1000, 2000


def firewall(name: str, plan: FrontDoorPlan, opts: pulumi.ResourceOptions) -> compute.SecurityPolicy | None:
    """None where the plan has none."""
    if plan.requests_per_minute is None:
        return None
    counted = [
        compute.SecurityPolicyRuleArgs(
            action=REFUSED,
            priority=FIRST_COUNTED + place,
            # Prompts look like attacks: what it would have refused is in the log, and nobody is refused.
            preview=True,
            description=f"{group}, counted",
            match=compute.SecurityPolicyRuleMatchArgs(
                expr=compute.SecurityPolicyRuleMatchExprArgs(
                    expression=f"evaluatePreconfiguredWaf('{group}', {{'sensitivity': 1}})"
                    if group.endswith("stable")
                    else f"evaluatePreconfiguredWaf('{group}')"
                )
            ),
        )
        for place, group in enumerate(plan.counted_rules)
    ]
    rules = [*counted, per_address(BOUND, plan.requests_per_minute), everybody_else()]
    return compute.SecurityPolicy(name, type="CLOUD_ARMOR", rules=rules, opts=opts)
