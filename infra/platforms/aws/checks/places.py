"""The region and its zones: whether this account may use them, and EKS has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.doctor.finding import Finding, missing, ok
from infra.platforms.aws.account import Account
from infra.platforms.aws.site_plan import AwsSitePlan

# Letters of zones differ from account to account, ids do not (EKS user guide, network requirements, read 2026-11).
WITHOUT_EKS = ("use1-az3", "usw1-az2", "cac1-az3")


def check(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """Asks the region for its zones, as this account calls them."""
    regions = account.ask("ec2", "describe_regions", AllRegions=True, RegionNames=[details.region])["Regions"]
    zones = account.ask("ec2", "describe_availability_zones")["AvailabilityZones"]
    yield region(details.region, regions[0].get("OptInStatus", "") if regions else "unknown")
    yield from judged(details.zones, {zone["ZoneName"]: zone for zone in zones})


def region(name: str, status: str) -> Finding:
    """`opt-in-not-required` and `opted-in` are those that can be used."""
    what = f"region {name}"
    if status == "not-opted-in":
        return missing(what, "not enabled for this account", f"`aws account enable-region --region-name {name}`")
    if status == "unknown":
        return missing(what, "AWS has none of this name", "correct `region`")
    return ok(what, "enabled")


def judged(wanted: tuple[str, ...], known: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """A row for all that are well, and one for each that is not."""
    fit = [name for name, zone in known.items() if not _lacks(zone)]
    instead = f"name others below `zones`: {', '.join(sorted(fit)) or 'none fits'}"
    lacking = {zone: why for zone in wanted if (why := _lacks(known.get(zone)))}
    for zone, why in lacking.items():
        yield missing(f"zone {zone}", why, instead)
    if well := [zone for zone in wanted if zone not in lacking]:
        yield ok("zones", f"{', '.join(well)}: there, and EKS has them")


def _lacks(zone: Mapping[str, Any] | None) -> str:
    if zone is None:
        return "this account has none of this name"
    if zone.get("ZoneType", "availability-zone") != "availability-zone":
        return f"a {zone['ZoneType']}, where no cluster can be"
    if zone.get("State") != "available":
        return f"{zone.get('State')}"
    return f"it is {zone['ZoneId']} in this account, where EKS has no clusters" if zone["ZoneId"] in WITHOUT_EKS else ""
