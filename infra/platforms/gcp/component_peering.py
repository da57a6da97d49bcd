"""Deploys a site's half of a peering with another network of Google Cloud."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.link_plan import PeeringPlan


class Peering(pulumi.ComponentResource):
    """Owns this half. Routes of subnets go both ways by themselves; none that somebody wrote does, so that nothing
    behind either network is reached."""

    def __init__(
        self,
        name: str,
        plan: PeeringPlan,
        *,
        network: pulumi.Input[str],
        reached: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Peering", name, None, opts)
        gcp.compute.NetworkPeering(
            name,
            network=network,
            peer_network=plan.network,
            export_custom_routes=False,
            import_custom_routes=False,
            export_subnet_routes_with_public_ip=False,
            import_subnet_routes_with_public_ip=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.told: pulumi.Output[Any] = pulumi.Output.all(network=network, address=reached)
        self.register_outputs({"network": network})
