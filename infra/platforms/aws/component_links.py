"""Deploys the private link of a site on AWS: tunnels of a VPN or a peering, and routes to the other end's ranges."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.component_network import Network
from infra.platforms.aws.link_plan import NO_NUMBER, ConnectionPlan, PeeringPlan, VpnPlan
from infra.platforms.aws.site_plan import AwsSitePlan

ec2 = aws.ec2
KIND = "ipsec.1"


def private_link(
    name: str,
    details: AwsSitePlan,
    *,
    network: Network,
    secrets: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[Any] | None:
    """What the other end is set up with; None where the site has no link."""
    if details.vpn:
        return Vpn(name, details.vpn, network=network, secrets=secrets, opts=opts).told
    if details.peering:
        return Peering(name, details.peering, network=network, opts=opts).told
    return None


class Vpn(pulumi.ComponentResource):
    """Owns both ends as AWS sees them, and the routes to the other one: of nodes' and the load balancer's subnets
    alone, and to its ranges alone. Nothing that it tells of by BGP becomes a route by itself."""

    def __init__(
        self,
        name: str,
        plan: VpnPlan,
        *,
        network: Network,
        secrets: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Vpn", name, None, opts)
        self._name, self._plan, self._secrets = name, plan, secrets
        self._child = pulumi.ResourceOptions(parent=self)
        gateway = ec2.VpnGateway(
            f"{name}-gateway",
            vpc_id=network.vpc_id,
            amazon_side_asn=str(plan.asn),
            tags={"Name": name},
            opts=self._child,
        )
        connections = [self._connection(place, one, gateway) for place, one in enumerate(plan.connections)]
        for place, cidr in enumerate(plan.peer_ranges):
            _routes(f"{name}-{place}", cidr, network.private_tables, self._child, gateway_id=gateway.id)
        self.told: pulumi.Output[Any] = pulumi.Output.all(*connections)
        self.register_outputs({"gateway": gateway.id})

    def _connection(self, place: int, one: ConnectionPlan, gateway: ec2.VpnGateway) -> pulumi.Output[Any]:
        name, plan = f"{self._name}-{place}", self._plan
        peer = ec2.CustomerGateway(
            name,
            type=KIND,
            ip_address=one.peer,
            **_number(plan.peer_asn or NO_NUMBER),
            tags={"Name": name},
            opts=self._child,
        )
        made = ec2.VpnConnection(
            name,
            type=KIND,
            customer_gateway_id=peer.id,
            vpn_gateway_id=gateway.id,
            static_routes_only=plan.peer_asn is None,
            **self._tunnel(one, 1),
            **self._tunnel(one, 2),
            tags={"Name": name},
            opts=self._child,
        )
        if plan.peer_asn is None:
            for route, cidr in enumerate(plan.peer_ranges):
                ec2.VpnConnectionRoute(
                    f"{name}-{route}", vpn_connection_id=made.id, destination_cidr_block=cidr, opts=self._child
                )
        keys = [pulumi.Output.secret(key) for key in (made.tunnel1_preshared_key, made.tunnel2_preshared_key)]
        return pulumi.Output.all(
            peer_address=one.peer,
            tunnels=[
                # Whoever chose a secret has it.
                {
                    "address": address,
                    "routers": tunnel.router_range,
                    **({} if tunnel.secret else {"shared_secret": key}),
                }
                for address, tunnel, key in zip(
                    (made.tunnel1_address, made.tunnel2_address), one.tunnels, keys, strict=True
                )
            ],
        )

    def _tunnel(self, one: ConnectionPlan, number: int) -> dict[str, Any]:
        """AWS begins, and begins again when the other end was away: neither waits for a request to come by."""
        plan, tunnel = self._plan, one.tunnels[number - 1]
        options: dict[str, Any] = {
            "inside_cidr": tunnel.router_range,
            "ike_versions": [plan.ike_version],
            "startup_action": "start",
            "dpd_timeout_action": "restart",
        }
        for phase in ("phase1", "phase2"):
            options |= {
                f"{phase}_encryption_algorithms": [plan.encryption],
                f"{phase}_integrity_algorithms": [plan.integrity],
                f"{phase}_dh_group_numbers": [plan.group],
            }
        if tunnel.secret:
            secrets = pulumi.Output.secret(self._secrets)
            options["preshared_key"] = secrets.apply(lambda known: str(json.loads(known)[tunnel.secret]))
        return {f"tunnel{number}_{option}": value for option, value in options.items()}


class Peering(pulumi.ComponentResource):
    """Owns this site's side of it, and the routes to the other's ranges, of nodes' and the load balancer's subnets
    alone."""

    def __init__(
        self, name: str, plan: PeeringPlan, *, network: Network, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:aws:Peering", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        side = "requester" if plan.vpc_id else "accepter"
        if plan.vpc_id:
            made = ec2.VpcPeeringConnection(
                name,
                vpc_id=network.vpc_id,
                peer_vpc_id=plan.vpc_id,
                peer_owner_id=plan.account,
                peer_region=plan.region,
                auto_accept=plan.accepts or None,
                tags={"Name": name},
                opts=child,
            )
        else:
            made = ec2.VpcPeeringConnectionAccepter(
                name,
                vpc_peering_connection_id=plan.connection_id or "",
                auto_accept=plan.accepts,
                tags={"Name": name},
                opts=child,
            )
        if plan.resolves_names:
            resolved = {"allow_remote_vpc_dns_resolution": True}
            ec2.PeeringConnectionOptions(
                name,
                vpc_peering_connection_id=made.id,
                requester=ec2.PeeringConnectionOptionsRequesterArgs(**resolved) if side == "requester" else None,
                accepter=ec2.PeeringConnectionOptionsAccepterArgs(**resolved) if side == "accepter" else None,
                opts=child,
            )
        for place, cidr in enumerate(plan.peer_ranges):
            _routes(f"{name}-{place}", cidr, network.private_tables, child, vpc_peering_connection_id=made.id)
        self.told: pulumi.Output[Any] = pulumi.Output.all(connection=made.id, vpc=network.vpc_id)
        self.register_outputs({"connection": made.id})


def _number(asn: int) -> dict[str, str]:
    """AWS has two fields for it: one of 31 bits, and one for what is larger."""
    return {"bgp_asn": str(asn)} if asn < 2**31 else {"bgp_asn_extended": str(asn)}


def _routes(
    name: str,
    cidr: str,
    tables: Sequence[pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
    **target: pulumi.Input[str],
) -> None:
    for place, table in enumerate(tables):
        ec2.Route(f"{name}-{place}", route_table_id=table, destination_cidr_block=cidr, opts=opts, **target)
