"""The domain: whether Cloud DNS has its zone, and whether the public asks that zone, as a certificate needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.doctor.delegation import delegated
from infra.doctor.finding import Finding, missing, ok
from infra.doctor.name_servers import public_name_servers
from infra.platforms.gcp.names import nearest_zone
from infra.platforms.gcp.project import Project


def check(project: Project, host: str, dns_zone: str | None) -> Iterator[Finding]:
    """Finds the zone as a deployment does, then compares who answers for it."""
    what, path = f"zone of {host}", f"dns/v1/projects/{project.project}/managedZones"
    if dns_zone is not None:
        zone = project.find("dns", f"{path}/{dns_zone}")
        if zone is None:
            yield missing(what, f"the project has no managed zone {dns_zone}", "correct `dns_zone`")
            return
    else:
        zones = {one["name"]: one for one in project.every("dns", path, "managedZones") if _is_public(one)}
        nearest = nearest_zone(host, {one["dnsName"]: name for name, one in zones.items()})
        if nearest is None:
            yield missing(
                what,
                "the project has no public managed zone that it is in",
                "`gcloud dns managed-zones create`, or name one by `dns_zone`",
            )
            return
        zone = zones[nearest]
    name = zone["dnsName"].rstrip(".")
    if not _is_public(zone):
        yield missing(what, f"{zone['name']} is private: no certificate would be issued", "name a public zone")
        return
    if not f".{host}".endswith(f".{name}"):
        yield missing(what, f"{zone['name']} is the zone {name}, which this name is not in", "correct `dns_zone`")
        return
    yield ok(what, f"{name} ({zone['name']})")
    yield delegated(
        name, {server.lower().rstrip(".") for server in zone.get("nameServers", ())}, public_name_servers(name)
    )


def _is_public(zone: Any) -> bool:
    return zone.get("visibility", "public") == "public"
