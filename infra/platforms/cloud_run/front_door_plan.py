"""The front door of a site on Cloud Run: the load balancer's name, and what its firewall refuses and writes down."""

from __future__ import annotations

from collections.abc import Iterator

from infra.platforms.cloud_run.config import CloudRunSettings
from infra.platforms.cloud_run.site_plan import FrontDoorPlan
from infra.problems import Problem

# Groups of Cloud Armor's own rules (ModSecurity CRS 3.3). Prompts set them off, as they read whole requests: a preview.
COUNTED_RULES = ("sqli-v33-stable", "xss-v33-stable", "lfi-v33-stable", "rce-v33-stable", "cve-canary")
# TLS 1.2 and 1.3 with forward secrecy alone (Cloud Load Balancing, "SSL policies", read 2026-11).
TLS_PROFILE = "RESTRICTED"
# What a client may keep an idle connection for: the most that Google takes.
CLIENT_KEEP_ALIVE_SECONDS = 610


def front_door_plan(settings: CloudRunSettings) -> FrontDoorPlan | None:
    """None where clients use Cloud Run's own address."""
    if settings.domain is None or settings.dns_zone is None:
        return None
    armor = settings.armor
    return FrontDoorPlan(
        host=settings.domain,
        dns_zone=settings.dns_zone,
        requests_per_minute=armor.requests_per_minute if armor else None,
        counted_rules=COUNTED_RULES if armor else (),
        tls_profile=TLS_PROFILE,
        keep_alive_seconds=CLIENT_KEEP_ALIVE_SECONDS,
    )


def name_problems(where: str, settings: CloudRunSettings) -> Iterator[Problem]:
    """A name without a zone to be written in, and a zone without a name."""
    if (settings.domain is None) != (settings.dns_zone is None):
        missing, there = ("domain", "dns_zone") if settings.domain is None else ("dns_zone", "domain")
        yield Problem(
            where=f"{where}.{missing}",
            found=f"nothing, with `{there}`",
            allowed="both, for a name of yours, or neither, for Cloud Run's own address",
            remedy=f"add `{missing}`, or remove `{there}`",
        )
