"""Deploys the names of a site: a certificate that the zone's owner has shown to be ours, and where names lead."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.front_door_plan import FrontDoorPlan

RECORD_SECONDS = 300


class Names(pulumi.ComponentResource):
    """Owns the certificate, its map and the records. `certificate_map` is what the load balancer is told."""

    def __init__(
        self,
        name: str,
        plan: FrontDoorPlan,
        *,
        address: pulumi.Input[str],
        provider: gcp.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Names", name, None, opts)
        self._name, self._plan = name, plan
        self._child = pulumi.ResourceOptions(parent=self)
        self._zone: pulumi.Input[str] = plan.dns_zone or gcp.dns.get_managed_zones_output(
            opts=pulumi.InvokeOutputOptions(parent=self, provider=provider)
        ).apply(lambda found: zone_of(plan.host, {zone.dns_name: zone.name or "" for zone in found.managed_zones}))
        manager = gcp.certificatemanager
        certificate = manager.Certificate(
            f"{name}-certificate",
            managed=manager.CertificateManagedArgs(
                domains=[*plan.hosts.values()],
                dns_authorizations=[self._proof(called, host) for called, host in plan.hosts.items()],
            ),
            opts=self._child,
        )
        certificates = manager.CertificateMap(f"{name}-certificates", opts=self._child)
        entries: list[pulumi.Output[str]] = []
        for called, host in plan.hosts.items():
            entry = manager.CertificateMapEntry(
                f"{name}-{called}",
                map=certificates.name,
                hostname=host,
                certificates=[certificate.id],
                opts=self._child,
            )
            entries.append(entry.id)
            self._record(f"{name}-{called}", f"{host}.", "A", address)
        self.certificate_map = pulumi.Output.all(certificates.name, *entries).apply(lambda known: str(known[0]))
        self.register_outputs({"certificate_map": self.certificate_map})

    def _proof(self, called: str, host: str) -> pulumi.Output[str]:
        """The record by which Google sees whose the name is. Returns what the certificate refers to."""
        asked = gcp.certificatemanager.DnsAuthorization(f"{self._name}-proof-{called}", domain=host, opts=self._child)
        record = asked.dns_resource_records[0]
        self._record(f"{self._name}-proof-{called}", record.name, record.type, record.data)
        return asked.id

    def _record(self, name: str, called: pulumi.Input[str], kind: pulumi.Input[str], value: pulumi.Input[str]) -> None:
        gcp.dns.RecordSet(
            name,
            managed_zone=self._zone,
            name=called,
            type=kind,
            ttl=RECORD_SECONDS,
            rrdatas=[value],
            opts=self._child,
        )


def zone_of(host: str, zones: dict[str, str]) -> str:
    """The managed zone with the longest name that the host is in."""
    found = [name for name in zones if f".{host}.".endswith(f".{name.lstrip('.')}")]
    if not found:
        raise pulumi.RunError(
            f"no managed zone of Cloud DNS in the project has `{host}` in it: make one, or name it in `dns_zone`"
        )
    return zones[max(found, key=len)]
