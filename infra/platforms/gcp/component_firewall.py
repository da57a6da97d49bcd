"""Deploys Cloud Armor in front of a site: Google's own rules, and a bound for each address."""

from __future__ import annotations

from collections.abc import Iterator

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.component_armor_rules import REFUSED, everybody_else, per_address
from infra.platforms.gcp.front_door_plan import FrontDoorPlan

compute = gcp.compute
# Rules are asked in this order, and the first that fits decides: one that lets an address in must be the last but one.
FIRST, PER_ADDRESS = 1000, 2_000_000


def firewall(name: str, plan: FrontDoorPlan, opts: pulumi.ResourceOptions) -> gcp.compute.SecurityPolicy:
    """The policy. Bodies of prompts are looked at by rules that only count."""
    bounds = [] if plan.requests_per_minute is None else [per_address(PER_ADDRESS, plan.requests_per_minute)]
    return compute.SecurityPolicy(
        name,
        type="CLOUD_ARMOR",
        rules=[*_preconfigured(plan), *bounds, everybody_else()],
        advanced_options_config=compute.SecurityPolicyAdvancedOptionsConfigArgs(log_level="NORMAL"),
        opts=opts,
    )


def _preconfigured(plan: FrontDoorPlan) -> Iterator[gcp.compute.SecurityPolicyRuleArgs]:
    prompts = f"request.path.startsWith('{plan.prompts_below}')"
    for place, called in enumerate(plan.preconfigured_rules):
        found = f"evaluatePreconfiguredWaf('{called}', {{'sensitivity': 1}})"
        for counts, where in enumerate((f"!{prompts}", prompts)):
            yield compute.SecurityPolicyRuleArgs(
                action=REFUSED,
                priority=FIRST + 2 * place + counts,
                description=called,
                preview=bool(counts),
                match=compute.SecurityPolicyRuleMatchArgs(
                    expr=compute.SecurityPolicyRuleMatchExprArgs(expression=f"{where} && {found}")
                ),
            )
