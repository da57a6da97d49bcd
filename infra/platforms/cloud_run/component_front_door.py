"""Deploys the front door of a site on Cloud Run: load balancer, firewall, certificate, and its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.platforms.cloud_run.component_firewall import firewall
from infra.platforms.cloud_run.site_plan import FrontDoorPlan

certificates, compute = gcp.certificatemanager, gcp.compute
SCHEME = "EXTERNAL_MANAGED"
RECORD_SECONDS = 300
EVERY_REQUEST = 1.0


class FrontDoor(pulumi.ComponentResource):
    """Owns all of it. There is no port but that of HTTPS: nobody is told to come back, and no key crosses readable."""

    def __init__(
        self,
        name: str,
        plan: FrontDoorPlan,
        *,
        service: pulumi.Input[str],
        region: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:FrontDoor", name, None, opts)
        self._name, self._plan = name, plan
        self._child = child = pulumi.ResourceOptions(parent=self)
        group = compute.RegionNetworkEndpointGroup(
            name,
            region=region,
            network_endpoint_type="SERVERLESS",
            cloud_run=compute.RegionNetworkEndpointGroupCloudRunArgs(service=service),
            opts=child,
        )
        policy = firewall(name, plan, child)
        backend = compute.BackendService(
            name,
            load_balancing_scheme=SCHEME,
            protocol="HTTPS",
            backends=[compute.BackendServiceBackendArgs(group=group.id)],
            security_policy=policy.id if policy else None,
            enable_cdn=False,
            log_config=compute.BackendServiceLogConfigArgs(enable=True, sample_rate=EVERY_REQUEST),
            opts=child,
        )
        routes = compute.URLMap(name, default_service=backend.id, opts=child)
        address = compute.GlobalAddress(name, address_type="EXTERNAL", ip_version="IPV4", opts=child)
        proxy = compute.TargetHttpsProxy(
            name,
            url_map=routes.id,
            certificate_map=self._certificate_map(),
            ssl_policy=compute.SSLPolicy(name, profile=plan.tls_profile, min_tls_version="TLS_1_2", opts=child).id,
            http_keep_alive_timeout_sec=plan.keep_alive_seconds,
            opts=child,
        )
        compute.GlobalForwardingRule(
            name,
            load_balancing_scheme=SCHEME,
            ip_address=address.id,
            ip_protocol="TCP",
            port_range="443",
            target=proxy.id,
            opts=child,
        )
        self._record(name, plan.host, "A", address.address)
        self.endpoint = pulumi.Output.from_input(f"https://{plan.host}")
        self.register_outputs({"endpoint": self.endpoint})

    def _certificate_map(self) -> pulumi.Output[str]:
        """A certificate of Google's, for a name that the zone's owner has shown to be ours before anything answers."""
        name, host, child = self._name, self._plan.host, self._child
        proof = certificates.DnsAuthorization(name, domain=host, opts=child)
        records: pulumi.Output[Any] = proof.dns_resource_records
        record = records.apply(_first)
        shown = self._record(f"{name}-proof", record["name"], record["type"], record["data"])
        certificate = certificates.Certificate(
            name,
            scope="DEFAULT",
            managed=certificates.CertificateManagedArgs(domains=[host], dns_authorizations=[proof.id]),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[shown])),
        )
        group = certificates.CertificateMap(name, opts=child)
        entry = certificates.CertificateMapEntry(
            name, map=group.name, hostname=host, certificates=[certificate.id], opts=child
        )
        # Known when the entry is there: a proxy without one would answer nobody.
        return pulumi.Output.all(group.id, entry.id).apply(
            lambda known: f"//certificatemanager.googleapis.com/{known[0]}"
        )

    def _record(
        self, name: str, host: pulumi.Input[str], kind: pulumi.Input[str], target: pulumi.Input[str]
    ) -> gcp.dns.RecordSet:
        return gcp.dns.RecordSet(
            name,
            managed_zone=self._plan.dns_zone,
            name=pulumi.Output.from_input(host).apply(lambda text: text if text.endswith(".") else f"{text}."),
            type=kind,
            ttl=RECORD_SECONDS,
            rrdatas=[target],
            opts=self._child,
        )


def _first(records: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The record that shows whose name it is."""
    return {part: records[0][part] for part in ("name", "type", "data")}
