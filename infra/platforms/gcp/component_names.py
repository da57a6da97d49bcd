"""Deploys names at Google: a certificate that the zone's owner has shown to be ours, and where names lead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.front_door_plan import FrontDoorPlan
from infra.platforms.gcp.names import nearest_zone

manager = gcp.certificatemanager
RECORD_SECONDS = 300


class Names(pulumi.ComponentResource):
    """Owns the certificate, its map and the records of `hosts`, by what they are for. `certificate_map` is the map's
    name, `certificate_map_id` what a proxy is told: known when it has its entries, as without one it answers nobody."""

    def __init__(
        self,
        name: str,
        hosts: Mapping[str, str],
        *,
        zone: pulumi.Input[str],
        address: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Names", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        certificate = certificate_of(name, hosts, zone=zone, address=address, opts=child)
        certificates = manager.CertificateMap(f"{name}-certificates", opts=child)
        entries: list[pulumi.Output[str]] = []
        for called, host in hosts.items():
            entry = manager.CertificateMapEntry(
                f"{name}-{called}",
                map=certificates.name,
                hostname=host,
                certificates=[certificate.id],
                opts=child,
            )
            entries.append(entry.id)
        self.certificate_map = pulumi.Output.all(certificates.name, *entries).apply(lambda known: str(known[0]))
        self.certificate_map_id = pulumi.Output.all(certificates.id, *entries).apply(
            lambda known: f"//certificatemanager.googleapis.com/{known[0]}"
        )
        self.register_outputs({"certificate_map": self.certificate_map})


class RegionalNames(pulumi.ComponentResource):
    """The same of a load balancer of one region: it knows no maps, and is told the certificate's name. Google looks for
    the proofs on the internet, wherever the names lead."""

    def __init__(
        self,
        name: str,
        hosts: Mapping[str, str],
        *,
        region: str,
        zone: pulumi.Input[str],
        address: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:RegionalNames", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        certificate = certificate_of(name, hosts, zone=zone, address=address, region=region, opts=child)
        self.certificate = certificate.name
        self.register_outputs({"certificate": self.certificate})


def certificate_of(
    name: str,
    hosts: Mapping[str, str],
    *,
    zone: pulumi.Input[str],
    address: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    region: str | None = None,
) -> gcp.certificatemanager.Certificate:
    """The certificate of all hosts, everywhere or in one region, with their proofs and where they lead."""

    def record(called: str, host: pulumi.Input[str], kind: pulumi.Input[str], value: pulumi.Input[str]) -> Any:
        return gcp.dns.RecordSet(
            called, managed_zone=zone, name=host, type=kind, ttl=RECORD_SECONDS, rrdatas=[value], opts=opts
        )

    asked: list[pulumi.Output[str]] = []
    records: list[pulumi.Resource] = []
    for called, host in hosts.items():
        # The record by which Google sees whose the name is, and what the certificate refers to.
        proof = manager.DnsAuthorization(f"{name}-proof-{called}", domain=host, location=region, opts=opts)
        shown = proof.dns_resource_records[0]
        asked.append(proof.id)
        records.append(record(f"{name}-proof-{called}", shown.name, shown.type, shown.data))
        record(f"{name}-{called}", f"{host}.", "A", address)
    return manager.Certificate(
        f"{name}-certificate",
        location=region,
        managed=manager.CertificateManagedArgs(domains=[*hosts.values()], dns_authorizations=asked),
        # Google looks for them when it is asked.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=records)),
    )


def zone_that_answers(plan: FrontDoorPlan, opts: pulumi.InvokeOutputOptions) -> pulumi.Input[str]:
    """The managed zone of a front door's names."""
    return plan.dns_zone or gcp.dns.get_managed_zones_output(opts=opts).apply(
        lambda found: zone_of(plan.host, {zone.dns_name: zone.name or "" for zone in found.managed_zones})
    )


def zone_of(host: str, zones: dict[str, str]) -> str:
    """The managed zone with the longest name that the host is in."""
    found = nearest_zone(host, zones)
    if found is None:
        raise pulumi.RunError(
            f"no managed zone of Cloud DNS in the project has `{host}` in it: make one, or name it in `dns_zone`"
        )
    return found
