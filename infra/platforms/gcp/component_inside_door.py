"""Deploys the front door of a site on Google Cloud that is not on the internet: an address inside, and names for it."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.component_names import RegionalNames, zone_that_answers
from infra.platforms.gcp.component_network import Network
from infra.platforms.gcp.front_door_plan import FrontDoorPlan

compute = gcp.compute
CERTIFICATES = "networking.gke.io/cert-manager-certs"


class InsideDoor(pulumi.ComponentResource):
    """Owns what is outside of the cluster: the range of the load balancer's own proxies, an address among the nodes',
    names, certificate and which TLS is spoken. The names lead to an address that only who is inside reaches."""

    def __init__(
        self,
        name: str,
        plan: FrontDoorPlan,
        *,
        region: str,
        network: Network,
        provider: gcp.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:InsideDoor", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        proxies = compute.Subnetwork(
            f"{name}-proxies",
            network=network.network,
            region=region,
            ip_cidr_range=plan.inside,
            # Of every load balancer of the region that is made of proxies.
            purpose="REGIONAL_MANAGED_PROXY",
            role="ACTIVE",
            opts=child,
        )
        address = compute.Address(
            f"{name}-address",
            region=region,
            address_type="INTERNAL",
            # One for HTTPS, and for HTTP, which is sent there.
            purpose="SHARED_LOADBALANCER_VIP",
            subnetwork=network.subnetwork,
            opts=child,
        )
        zone = zone_that_answers(plan, pulumi.InvokeOutputOptions(parent=self, provider=provider))
        names = RegionalNames(
            f"{name}-names", plan.hosts, region=region, zone=zone, address=address.address, opts=child
        )
        # With forward secrecy alone, and nothing that is older.
        tls = compute.RegionSslPolicy(
            f"{name}-tls", region=region, profile="RESTRICTED", min_tls_version="TLS_1_2", opts=child
        )
        self.tls_policy, self.reached = tls.name, address.address
        # Known when there are proxies: a load balancer is not made without.
        self.address = pulumi.Output.all(address.name, proxies.id).apply(lambda known: str(known[0]))
        self.annotations: dict[str, pulumi.Input[str]] = {}
        self.tls_options: dict[str, pulumi.Input[str]] | None = {CERTIFICATES: names.certificate}
        self.firewall: pulumi.Output[str] | None = None
        self.register_outputs({"address": self.address})
