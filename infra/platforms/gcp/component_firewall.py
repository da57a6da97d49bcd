"""Deploys Cloud Armor in front of a site: Google's own rules, and a bound for each address."""

from __future__ import annotations

from collections.abc import Iterator

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.front_door_plan import FrontDoorPlan

compute = gcp.compute
# Rules are asked in this order, and the first that fits decides: one that lets an address in must be the last but one.
FIRST, PER_ADDRESS, LAST = 1000, 2_000_000, 2_147_483_647
REFUSED, TOO_MANY = "deny(403)", "deny(429)"


def firewall(name: str, plan: FrontDoorPlan, opts: pulumi.ResourceOptions) -> gcp.compute.SecurityPolicy:
    """The policy. Bodies of prompts are looked at by rules that only count."""
    return compute.SecurityPolicy(
        name,
        type="CLOUD_ARMOR",
        rules=[*_preconfigured(plan), *_per_address(plan), _everybody("allow", LAST, "Everybody else")],
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


def _per_address(plan: FrontDoorPlan) -> Iterator[gcp.compute.SecurityPolicyRuleArgs]:
    if plan.requests_per_minute is not None:
        yield _everybody(
            "throttle",
            PER_ADDRESS,
            "Requests of one address",
            compute.SecurityPolicyRuleRateLimitOptionsArgs(
                conform_action="allow",
                exceed_action=TOO_MANY,
                enforce_on_key="IP",
                rate_limit_threshold=compute.SecurityPolicyRuleRateLimitOptionsRateLimitThresholdArgs(
                    count=plan.requests_per_minute, interval_sec=60
                ),
            ),
        )


def _everybody(
    action: str,
    priority: int,
    description: str,
    limits: gcp.compute.SecurityPolicyRuleRateLimitOptionsArgs | None = None,
) -> gcp.compute.SecurityPolicyRuleArgs:
    return compute.SecurityPolicyRuleArgs(
        action=action,
        priority=priority,
        description=description,
        match=compute.SecurityPolicyRuleMatchArgs(
            versioned_expr="SRC_IPS_V1", config=compute.SecurityPolicyRuleMatchConfigArgs(src_ip_ranges=["*"])
        ),
        rate_limit_options=limits,
    )
