"""Deploys what stands in front of a site: AWS' own rules and a bound for each address, and a guard against floods."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.front_door_plan import FrontDoorPlan

waf = aws.wafv2
# WAF writes only to groups whose name begins so.
LOG_PREFIX = "aws-waf-logs-"
NOT_LOGGED = "authorization"
PER_ADDRESS = "RequestsOfOneAddress"


def firewall(
    name: str,
    plan: FrontDoorPlan,
    *,
    balancer_arn: pulumi.Input[str],
    logs_key_arn: pulumi.Input[str],
    log_retention_days: int,
    opts: pulumi.ResourceOptions,
) -> None:
    """Rules are asked in their order; keys of clients are in no log."""
    rules = [_managed(place, group, counted) for place, (group, counted) in enumerate(plan.managed_rules.items())]
    if plan.requests_per_five_minutes is not None:
        rules.append(_rate(len(rules), plan.requests_per_five_minutes))
    acl = waf.WebAcl(
        name,
        scope="REGIONAL",
        default_action=waf.WebAclDefaultActionArgs(allow=waf.WebAclDefaultActionAllowArgs()),
        rules=rules,
        visibility_config=waf.WebAclVisibilityConfigArgs(
            cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
        ),
        opts=opts,
    )
    waf.WebAclAssociation(name, web_acl_arn=acl.arn, resource_arn=balancer_arn, opts=opts)
    logs = aws.cloudwatch.LogGroup(
        f"{name}-logs",
        name_prefix=LOG_PREFIX,
        kms_key_id=logs_key_arn,
        retention_in_days=log_retention_days,
        opts=opts,
    )
    waf.WebAclLoggingConfiguration(
        name,
        resource_arn=acl.arn,
        log_destination_configs=[logs.arn],
        redacted_fields=[
            waf.WebAclLoggingConfigurationRedactedFieldArgs(
                single_header=waf.WebAclLoggingConfigurationRedactedFieldSingleHeaderArgs(name=NOT_LOGGED)
            )
        ],
        opts=opts,
    )


def shield(name: str, *, balancer_arn: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
    """Shield Advanced for the load balancer. Whoever owns the account has subscribed to it: that is a contract."""
    aws.shield.Protection(name, resource_arn=balancer_arn, tags={"Name": name}, opts=opts)


def _managed(place: int, group: str, counted: Sequence[str]) -> aws.wafv2.WebAclRuleArgs:
    counts = waf.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs(
        count=waf.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs()
    )
    statement = waf.WebAclRuleStatementManagedRuleGroupStatementArgs(
        name=group,
        vendor_name="AWS",
        rule_action_overrides=[
            waf.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs(name=rule, action_to_use=counts)
            for rule in counted
        ],
    )
    return waf.WebAclRuleArgs(
        name=group,
        priority=place,
        statement=waf.WebAclRuleStatementArgs(managed_rule_group_statement=statement),
        # The group's own actions hold, but for the rules that only count.
        override_action=waf.WebAclRuleOverrideActionArgs(none=waf.WebAclRuleOverrideActionNoneArgs()),
        visibility_config=_seen(group),
    )


def _rate(place: int, requests: int) -> aws.wafv2.WebAclRuleArgs:
    statement = waf.WebAclRuleStatementRateBasedStatementArgs(
        limit=requests, aggregate_key_type="IP", evaluation_window_sec=300
    )
    return waf.WebAclRuleArgs(
        name=PER_ADDRESS,
        priority=place,
        statement=waf.WebAclRuleStatementArgs(rate_based_statement=statement),
        action=waf.WebAclRuleActionArgs(block=waf.WebAclRuleActionBlockArgs()),
        visibility_config=_seen(PER_ADDRESS),
    )


def _seen(name: str) -> aws.wafv2.WebAclRuleVisibilityConfigArgs:
    """Counted, without samples of requests: prompts are in them."""
    return waf.WebAclRuleVisibilityConfigArgs(
        cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )
