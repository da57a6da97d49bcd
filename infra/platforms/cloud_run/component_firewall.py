"""Deploys Cloud Armor in front of a site on Cloud Run: a bound for each address, and Google's own rules, counted."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.cloud_run.site_plan import FrontDoorPlan

compute = gcp.compute
# The first that fits decides; the last one is for whoever is left.
FIRST_COUNTED, BOUND, EVERYBODY_ELSE = 1000, 2000, 2_147_483_647
TOO_MANY = "deny(429)"
MINUTE_SECONDS = 60


def firewall(name: str, plan: FrontDoorPlan, opts: pulumi.ResourceOptions) -> compute.SecurityPolicy | None:
    """None where the plan has none."""
    if plan.requests_per_minute is None:
        return None
    everybody = compute.SecurityPolicyRuleMatchArgs(
        versioned_expr="SRC_IPS_V1", config=compute.SecurityPolicyRuleMatchConfigArgs(src_ip_ranges=["*"])
    )
    counted = [
        compute.SecurityPolicyRuleArgs(
            action="deny(403)",
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
    bound = compute.SecurityPolicyRuleArgs(
        action="throttle",
        priority=BOUND,
        description="Requests of one address",
        match=everybody,
        rate_limit_options=compute.SecurityPolicyRuleRateLimitOptionsArgs(
            conform_action="allow",
            exceed_action=TOO_MANY,
            enforce_on_key="IP",
            rate_limit_threshold=compute.SecurityPolicyRuleRateLimitOptionsRateLimitThresholdArgs(
                count=plan.requests_per_minute, interval_sec=MINUTE_SECONDS
            ),
        ),
    )
    rest = compute.SecurityPolicyRuleArgs(
        action="allow", priority=EVERYBODY_ELSE, description="Everybody else", match=everybody
    )
    return compute.SecurityPolicy(name, type="CLOUD_ARMOR", rules=[*counted, bound, rest], opts=opts)
