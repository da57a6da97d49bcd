"""Rules that Cloud Armor has in front of every site of ours at Google: a bound for each address, and who is left."""

from __future__ import annotations

import pulumi_gcp as gcp

compute = gcp.compute
# The highest number there is: Cloud Armor asks it last, and wants a rule for everybody there.
LAST = 2_147_483_647
REFUSED, TOO_MANY = "deny(403)", "deny(429)"
MINUTE_SECONDS = 60


def per_address(priority: int, requests_per_minute: int) -> gcp.compute.SecurityPolicyRuleArgs:
    """What is beyond the bound is refused. It lets in whoever is within: rules that refuse must be asked before."""
    return _of_everybody(
        "throttle",
        priority,
        "Requests of one address",
        compute.SecurityPolicyRuleRateLimitOptionsArgs(
            conform_action="allow",
            exceed_action=TOO_MANY,
            enforce_on_key="IP",
            rate_limit_threshold=compute.SecurityPolicyRuleRateLimitOptionsRateLimitThresholdArgs(
                count=requests_per_minute, interval_sec=MINUTE_SECONDS
            ),
        ),
    )


def everybody_else() -> gcp.compute.SecurityPolicyRuleArgs:
    """Whom no rule before has decided about."""
    return _of_everybody("allow", LAST, "Everybody else")


def _of_everybody(
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
