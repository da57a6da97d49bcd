"""The front door of a site on Google Cloud: names, certificate, how long an answer may take, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.naming import normalised
from infra.plan.drain_ladder import DrainLadder
from infra.plan.front_door import FrontDoorPlan as GatewayPlan
from infra.plan.in_cluster import PUBLIC_PORT
from infra.platforms.base import SiteRequest
from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.link_plan import is_linked
from infra.platforms.gcp.network import NetworkPlan

GATEWAY_CLASS, INSIDE_CLASS = "gke-l7-global-external-managed", "gke-l7-rilb"
# Sets of Google's own rules, in the order in which they are asked (Cloud Armor documentation, preconfigured WAF rules,
# read 2026-11). They look into bodies, and prompts look like attacks: where prompts are, they are only counted.
PRECONFIGURED_RULES = (
    *("protocolattack-v33-stable", "scannerdetection-v33-stable", "sessionfixation-v33-stable", "rce-v33-stable"),
    *("lfi-v33-stable", "rfi-v33-stable", "sqli-v33-stable", "xss-v33-stable", "cve-canary"),
)
PROMPTS_BELOW = "/v1/"
HEALTH_SECONDS, HEALTH_TIMEOUT_SECONDS, HEALTH_TIMES = 5, 4, 2


@dataclass(frozen=True, kw_only=True)
class FrontDoorPlan:
    """The load balancer and its names, `hosts` by what they are for. `dns_zone` is looked up by `host` where it is
    None. `inside` is where the load balancer's own proxies are when it is not on the internet, but in the site's
    network. Without a firewall, `requests_per_minute` is None and `preconfigured_rules` empty. What is below
    `prompts_below` is only counted by these. `gateway` is what is made of it inside the cluster."""

    host: str
    site_host: str
    dns_zone: str | None
    inside: str | None
    deregistration_seconds: int
    idle_seconds: int
    port: int
    health_path: str
    health_seconds: int
    health_timeout_seconds: int
    health_times: int
    requests_per_minute: int | None
    preconfigured_rules: tuple[str, ...]
    prompts_below: str
    gateway: GatewayPlan

    @property
    def where(self) -> str:
        """For a reader of the plan."""
        return "inside of the site's network only" if self.inside else "on the internet"

    @property
    def hosts(self) -> Mapping[str, str]:
        """The shared name and the site's own."""
        return {"shared": self.host, "site": self.site_host}


def front_door_plan(
    request: SiteRequest, settings: GcpSettings, network: NetworkPlan, drain: DrainLadder
) -> FrontDoorPlan:
    """Decides it."""
    inside = network.proxies if is_linked(settings) else None
    armor = None if inside else settings.armor
    return FrontDoorPlan(
        host=settings.domain,
        site_host=f"{normalised(request.site)}.{settings.domain}",
        dns_zone=settings.dns_zone,
        inside=inside,
        deregistration_seconds=drain.load_balancer_deregistration_seconds,
        idle_seconds=drain.load_balancer_idle_seconds,
        port=PUBLIC_PORT,
        # A gateway alone is well while its engines are not: it says so itself, in words that a client understands.
        health_path="/health",
        health_seconds=HEALTH_SECONDS,
        health_timeout_seconds=HEALTH_TIMEOUT_SECONDS,
        health_times=HEALTH_TIMES,
        requests_per_minute=armor.requests_per_minute if armor else None,
        preconfigured_rules=PRECONFIGURED_RULES if armor else (),
        prompts_below=PROMPTS_BELOW,
        gateway=GatewayPlan(
            kind="Gateway",
            class_name=INSIDE_CLASS if inside else GATEWAY_CLASS,
            host=settings.domain,
            tls_issuer=None,
            tls_secret="",
            namespace=None,
            dns_record=False,
            idle_seconds=drain.load_balancer_idle_seconds,
            body_bytes=request.gateway["limits"]["body_bytes"],
        ),
    )
