"""Deploys the front door of a site on Cloud Run: load balancer, firewall, certificate, and its name."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.cloud_run.component_firewall import firewall
from infra.platforms.cloud_run.site_plan import FrontDoorPlan
from infra.platforms.gcp.component_names import Names

compute = gcp.compute
SCHEME = "EXTERNAL_MANAGED"
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
        child = pulumi.ResourceOptions(parent=self)
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
        names = Names(f"{name}-names", {"shared": plan.host}, zone=plan.dns_zone, address=address.address, opts=child)
        proxy = compute.TargetHttpsProxy(
            name,
            url_map=routes.id,
            certificate_map=names.certificate_map_id,
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
        self.endpoint = pulumi.Output.from_input(f"https://{plan.host}")
        self.register_outputs({"endpoint": self.endpoint})
