"""What the plan says of a site's security on AWS, and of what guards it against floods."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.serving import in_transit
from infra.platforms.aws.config import AwsSettings
from infra.platforms.aws.site_plan import AwsSitePlan
from infra.platforms.clusters import api_access, deletion, firewall


def security(settings: AwsSettings, details: AwsSitePlan) -> dict[str, str]:
    """For a reader of the plan."""
    door = details.front_door
    return {
        "cluster's API": api_access(settings.api_endpoint),
        "nodes": "in private subnets" if details.network.cidr else "in the subnets that were given",
        "front door": f"{'inside the network' if door.internal else 'on the internet'}, over TLS",
        **({"clients": door.client_authority.text} if door.client_authority else {}),
        "in transit": in_transit(details.serving),
        "firewall for the web": firewall(door.requests_per_five_minutes, "five minutes"),
        **({"floods": "Shield Advanced guards the load balancer"} if door.shield_advanced else {}),
        "deletion": deletion(protected=settings.deletion_protection),
    }


def shield_warnings(site: str, settings: AwsSettings) -> Iterator[str]:
    """What is paid for and guards nothing."""
    existing = settings.network.existing
    if settings.shield_advanced and existing and not existing.public_subnets:
        yield f"{site}: nobody on the internet reaches the load balancer that `shield_advanced` guards"
