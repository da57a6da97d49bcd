"""The domain: whether Route 53 has its zone, and whether the public asks that zone, as a certificate needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from infra.doctor.delegation import delegated
from infra.doctor.finding import Finding, missing, ok
from infra.doctor.name_servers import public_name_servers
from infra.platforms.aws.account import Account, Unanswered
from infra.platforms.aws.site_plan import AwsSitePlan


def check(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """Finds the zone as a deployment does, then compares who answers for it."""
    door = details.front_door
    what = f"zone of {door.host}"
    if door.hosted_zone_id:
        identity: str | None = door.hosted_zone_id
    else:
        found = account.ask("route53", "list_hosted_zones_by_name", DNSName=door.zone_name, MaxItems="10")
        zones = [
            zone["Id"].rpartition("/")[2]
            for zone in found["HostedZones"]
            if zone["Name"] == f"{door.zone_name}." and not zone["Config"]["PrivateZone"]
        ]
        identity = zones[0] if len(zones) == 1 else None
        if identity is None:
            yield _which(what, door.zone_name, zones)
            return
    try:
        zone = account.ask("route53", "get_hosted_zone", Id=identity)
    except Unanswered as answer:
        if answer.code != "NoSuchHostedZone":
            raise
        yield missing(what, f"this account has no zone {identity}", "correct `hosted_zone_id`")
        return
    name = zone["HostedZone"]["Name"].rstrip(".")
    if not f".{door.host}".endswith(f".{name}"):
        yield missing(what, f"{identity} is the zone {name}, which this name is not in", "correct `hosted_zone_id`")
        return
    yield ok(what, f"{name} ({identity})")
    servers: Any = zone.get("DelegationSet", {}).get("NameServers", [])
    yield delegated(name, {server.lower().rstrip(".") for server in servers}, public_name_servers(name))


def _which(what: str, name: str, zones: Sequence[str]) -> Finding:
    if zones:
        return missing(what, f"{len(zones)} zones {name}: {', '.join(zones)}", "name one by `hosted_zone_id`")
    return missing(
        what,
        f"this account has no public zone {name} in Route 53",
        f"`aws route53 create-hosted-zone --name {name} --caller-reference $(date +%s)`, or name the zone that has the "
        "domain by `hosted_zone_id`",
    )
