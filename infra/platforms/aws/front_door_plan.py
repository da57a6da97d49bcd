"""The front door of a site on AWS: load balancer, names, who takes over, and what its firewall refuses and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.naming import normalised
from infra.plan.drain_ladder import DrainLadder
from infra.plan.in_cluster import PUBLIC_PORT
from infra.platforms.aws.client_authority import HEALTH_PORT, ClientAuthorityPlan, client_authority_plan
from infra.platforms.aws.config import AwsSettings
from infra.platforms.aws.link_plan import reached_from
from infra.platforms.aws.network import NetworkPlan
from infra.platforms.base import SiteRequest

# TLS 1.2 and 1.3 with forward secrecy (Elastic Load Balancing, "Security policies", read 2026-11).
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
# Groups of AWS' own rules, in the order in which they are asked, with those of their rules that prompts set off: these
# are counted, never refused. A group as a whole is never only counted.
MANAGED_RULES: Mapping[str, tuple[str, ...]] = {
    "AWSManagedRulesAmazonIpReputationList": (),
    "AWSManagedRulesKnownBadInputsRuleSet": ("Log4JRCE_BODY", "JavaDeserializationRCE_BODY"),
    "AWSManagedRulesCommonRuleSet": (
        *("SizeRestrictions_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY"),
        *("CrossSiteScripting_BODY", "NoUserAgent_HEADER"),
    ),
}
HTTPS_PORT = 443
HEALTH_SECONDS, HEALTH_TIMEOUT_SECONDS, HEALTH_TIMES = 5, 4, 2
# To be put into the group (seen to take up to 15 s), and then to be found healthy.
SETTLE_SECONDS = 15 + HEALTH_SECONDS * HEALTH_TIMES


@dataclass(frozen=True, kw_only=True)
class FrontDoorPlan:
    """The load balancer and its names. `internal` when there is no public subnet, or a private link. `zone_name` is
    looked up where no `hosted_zone_id` is given. `failover` is `primary` or `secondary` where another site takes over
    or gives the same name, `active` where both have it all the time, each for whom its `region` is nearer. A target is
    asked for `health_path`, a site by Route 53 for `site_health_path`, at a port of its own where clients show
    certificates. Without a firewall, `requests_per_five_minutes`
    is None and `managed_rules` empty. The zone of Route 53 is not for Shield: other stacks have names in it, and AWS
    takes one protection of a thing."""

    host: str
    region: str
    site_host: str
    hosted_zone_id: str | None
    zone_name: str
    failover: str | None
    internal: bool
    tls_policy: str
    port: int
    health_path: str
    health_seconds: int
    health_timeout_seconds: int
    health_times: int
    site_health_path: str
    site_health_port: int
    deregistration_seconds: int
    idle_seconds: int
    binding_version: str
    client_authority: ClientAuthorityPlan | None
    shield_advanced: bool
    requests_per_five_minutes: int | None
    managed_rules: Mapping[str, tuple[str, ...]]


def front_door_plan(
    request: SiteRequest, settings: AwsSettings, network: NetworkPlan, drain: DrainLadder, *, auto_mode: bool
) -> FrontDoorPlan:
    """Decides it."""
    waf = settings.waf
    is_asked = request.failover not in (None, "secondary")
    return FrontDoorPlan(
        host=settings.domain,
        region=settings.region,
        site_host=f"{normalised(request.site)}.{settings.domain}",
        hosted_zone_id=settings.hosted_zone_id,
        zone_name=settings.domain.partition(".")[2],
        failover=request.failover,
        internal=bool(reached_from(settings)) or not network.of_role("public"),
        tls_policy=TLS_POLICY,
        port=PUBLIC_PORT,
        # A gateway alone is well while its engines are not: it says so itself, in words that a client understands.
        health_path="/health",
        health_seconds=HEALTH_SECONDS,
        health_timeout_seconds=HEALTH_TIMEOUT_SECONDS,
        health_times=HEALTH_TIMES,
        site_health_path="/health/deep" if "deep_health" in request.gateway else "/ready",
        site_health_port=HEALTH_PORT if settings.client_authority and is_asked else HTTPS_PORT,
        deregistration_seconds=drain.load_balancer_deregistration_seconds,
        idle_seconds=drain.load_balancer_idle_seconds,
        binding_version="eks.amazonaws.com/v1" if auto_mode else "elbv2.k8s.aws/v1beta1",
        client_authority=client_authority_plan(settings.client_authority),
        shield_advanced=settings.shield_advanced,
        requests_per_five_minutes=waf.requests_per_five_minutes if waf else None,
        managed_rules=MANAGED_RULES if waf else {},
    )
