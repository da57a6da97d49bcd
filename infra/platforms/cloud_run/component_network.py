"""Deploys the network that instances leave by: one way out, to the ports that the plan names."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

compute = gcp.compute
ANYWHERE = "0.0.0.0/0"
# A rule that allows comes before the one that denies everything.
ALLOWED, DENIED = 1000, 65_534
FLOW_SAMPLING = 0.5


class Network(pulumi.ComponentResource):
    """Owns a network with one subnetwork, its firewall and its way to the internet. Nothing comes in: no rule allows
    it. `ports` empty is any."""

    def __init__(
        self,
        name: str,
        *,
        cidr: str,
        ports: Sequence[int],
        region: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        network = compute.Network(name, auto_create_subnetworks=False, routing_mode="REGIONAL", opts=child)
        subnetwork = compute.Subnetwork(
            name,
            network=network.id,
            region=region,
            ip_cidr_range=cidr,
            # Google's own services are reached without leaving its network.
            private_ip_google_access=True,
            log_config=compute.SubnetworkLogConfigArgs(
                aggregation_interval="INTERVAL_10_MIN", flow_sampling=FLOW_SAMPLING, metadata="INCLUDE_ALL_METADATA"
            ),
            opts=child,
        )
        logged = compute.FirewallLogConfigArgs(metadata="INCLUDE_ALL_METADATA")
        compute.Firewall(
            f"{name}-out",
            description="What the gateway's file names",
            network=network.id,
            direction="EGRESS",
            priority=ALLOWED,
            destination_ranges=[ANYWHERE],
            allows=[compute.FirewallAllowArgs(protocol="tcp", ports=[str(port) for port in ports] or None)],
            log_config=logged,
            opts=child,
        )
        compute.Firewall(
            f"{name}-nothing-else",
            description="Nothing else leaves",
            network=network.id,
            direction="EGRESS",
            priority=DENIED,
            destination_ranges=[ANYWHERE],
            denies=[compute.FirewallDenyArgs(protocol="all")],
            log_config=logged,
            opts=child,
        )
        router = compute.Router(name, network=network.id, region=region, opts=child)
        self.way_out = compute.RouterNat(
            name,
            router=router.name,
            region=region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[
                compute.RouterNatSubnetworkArgs(name=subnetwork.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])
            ],
            log_config=compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=child,
        )
        self.network, self.subnetwork = network.id, subnetwork.id
        self.register_outputs({"network": self.network})
