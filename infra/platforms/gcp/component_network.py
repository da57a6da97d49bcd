"""Deploys the network of a site on Google Cloud: a subnetwork with ranges for pods and services, a way out, a log."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.network import NetworkPlan

compute = gcp.compute
PODS, SERVICES = "pods", "services"
# Of flows between nodes; each is told about within a minute.
FLOWS_LOGGED, FLOWS_INTERVAL = 0.5, "INTERVAL_1_MIN"
# Before the rule that every network has.
LAST_BUT_ONE = 65_534


class Network(pulumi.ComponentResource):
    """Owns a new network, or nothing where one exists. Nothing in it has an address on the internet; Google's own
    services are reached without one."""

    def __init__(
        self, name: str, plan: NetworkPlan, *, region: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:gcp:Network", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.network: pulumi.Input[str] = plan.network
        self.subnetwork: pulumi.Input[str] = plan.subnetwork
        self.pods_range, self.services_range = plan.pods, plan.services
        if plan.nodes is not None:
            made = compute.Network(
                name,
                name=plan.network,
                auto_create_subnetworks=False,
                routing_mode="REGIONAL",
                opts=child,
            )
            nodes = compute.Subnetwork(
                f"{name}-nodes",
                name=plan.subnetwork,
                network=made.id,
                region=region,
                ip_cidr_range=plan.nodes,
                secondary_ip_ranges=[
                    compute.SubnetworkSecondaryIpRangeArgs(range_name=PODS, ip_cidr_range=plan.pods),
                    compute.SubnetworkSecondaryIpRangeArgs(range_name=SERVICES, ip_cidr_range=plan.services),
                ],
                private_ip_google_access=True,
                log_config=compute.SubnetworkLogConfigArgs(
                    aggregation_interval=FLOWS_INTERVAL, flow_sampling=FLOWS_LOGGED, metadata="INCLUDE_ALL_METADATA"
                ),
                opts=child,
            )
            self.network, self.subnetwork = made.id, nodes.id
            self.pods_range, self.services_range = PODS, SERVICES
            _nobody_comes_in(name, made, child)
            if plan.nat:
                self._way_out(name, region, made, child)
        self.register_outputs({"network": self.network})

    def _way_out(self, name: str, region: str, network: gcp.compute.Network, opts: pulumi.ResourceOptions) -> None:
        router = compute.Router(f"{name}-router", network=network.id, region=region, opts=opts)
        compute.RouterNat(
            f"{name}-nat",
            router=router.name,
            region=region,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            # Many pods of one node ask one place, such as a source of weights.
            enable_dynamic_port_allocation=True,
            min_ports_per_vm=64,
            max_ports_per_vm=8192,
            log_config=compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=opts,
        )


def _nobody_comes_in(name: str, network: gcp.compute.Network, opts: pulumi.ResourceOptions) -> None:
    """As without any rule, but told of. What GKE lets in for itself and for load balancers comes before."""
    compute.Firewall(
        f"{name}-nobody",
        network=network.id,
        direction="INGRESS",
        priority=LAST_BUT_ONE,
        denies=[compute.FirewallDenyArgs(protocol="all")],
        source_ranges=["0.0.0.0/0"],
        log_config=compute.FirewallLogConfigArgs(metadata="EXCLUDE_ALL_METADATA"),
        opts=opts,
    )
