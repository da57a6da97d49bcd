"""Deploys the private link of a site on Google Cloud: gateway, two tunnels, and a router that tells of one address."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.vpn_plan import TunnelPlan, VpnPlan

compute = gcp.compute
EVERY_ROUTE = "0.0.0.0/0"
# How many gateways the other end has, as Google says it.
REDUNDANCY = {1: "SINGLE_IP_INTERNALLY_REDUNDANT", 2: "TWO_IPS_REDUNDANCY"}


class Vpn(pulumi.ComponentResource):
    """Owns both ends as Google sees them. The other one hears of the front door's address and of nothing else, and only
    routes to its own ranges are taken of it."""

    def __init__(
        self,
        name: str,
        plan: VpnPlan,
        *,
        region: str,
        network: pulumi.Input[str],
        reached: pulumi.Input[str],
        secrets: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Vpn", name, None, opts)
        self._name, self._plan, self._region = name, plan, region
        self._child = pulumi.ResourceOptions(parent=self)
        self._gateway = compute.HaVpnGateway(f"{name}-gateway", network=network, region=region, opts=self._child)
        self._peer = compute.ExternalVpnGateway(
            f"{name}-peer",
            redundancy_type=REDUNDANCY[len(plan.peers)],
            interfaces=[
                compute.ExternalVpnGatewayInterfaceArgs(id=place, ip_address=address)
                for place, address in enumerate(plan.peers)
            ],
            opts=self._child,
        )
        door = compute.RouterBgpAdvertisedIpRangeArgs(range=pulumi.Output.from_input(reached).apply(_alone))
        self._router = compute.Router(
            f"{name}-router",
            network=network,
            region=region,
            bgp=compute.RouterBgpArgs(asn=plan.asn, advertise_mode="CUSTOM", advertised_ip_ranges=[door]),
            opts=self._child,
        )
        self._taken = self._policy()
        for place, tunnel in enumerate(plan.tunnels):
            self._tunnel(place, tunnel, secrets)
        self.told: pulumi.Output[Any] = self._gateway.vpn_interfaces.apply(
            lambda own: [
                {"address": own[place].ip_address, "peer_address": plan.peers[tunnel.peer]}
                for place, tunnel in enumerate(plan.tunnels)
            ]
        )
        self.register_outputs({"gateway": self._gateway.name})

    def _policy(self) -> gcp.compute.RouterRoutePolicy:
        ranges = ", ".join(f"prefix('{one}').orLonger()" for one in self._plan.peer_ranges)
        return compute.RouterRoutePolicy(
            f"{self._name}-taken",
            router=self._router.name,
            region=self._region,
            type="ROUTE_POLICY_TYPE_IMPORT",
            # What no term is about would be taken.
            terms=[
                _term(1, f"destination.inAnyRange([{ranges}])", "accept()"),
                _term(2, f"destination.inAnyRange([prefix('{EVERY_ROUTE}').orLonger()])", "drop()"),
            ],
            opts=self._child,
        )

    def _tunnel(self, place: int, tunnel: TunnelPlan, secrets: pulumi.Input[str]) -> None:
        plan, name = self._plan, f"{self._name}-{place}"
        made = compute.VPNTunnel(
            name,
            region=self._region,
            vpn_gateway=self._gateway.id,
            vpn_gateway_interface=place,
            peer_external_gateway=self._peer.id,
            peer_external_gateway_interface=tunnel.peer,
            ike_version=plan.ike_version,
            cipher_suite=compute.VPNTunnelCipherSuiteArgs(
                phase1=compute.VPNTunnelCipherSuitePhase1Args(
                    encryptions=[*plan.keys.encryption],
                    integrities=[*plan.keys.integrity],
                    prves=[*plan.keys.random],
                    dhs=[*plan.keys.groups],
                ),
                phase2=compute.VPNTunnelCipherSuitePhase2Args(
                    encryptions=[*plan.data.encryption],
                    integrities=[*plan.data.integrity],
                    pfs=[*plan.data.groups],
                ),
            ),
            shared_secret=pulumi.Output.secret(secrets).apply(lambda known: str(json.loads(known)[tunnel.secret])),
            router=self._router.id,
            opts=self._child,
        )
        interface = compute.RouterInterface(
            name,
            router=self._router.name,
            region=self._region,
            ip_range=tunnel.router_range,
            vpn_tunnel=made.name,
            opts=self._child,
        )
        compute.RouterPeer(
            name,
            router=self._router.name,
            region=self._region,
            interface=interface.name,
            peer_asn=plan.peer_asn,
            peer_ip_address=tunnel.peer_router,
            import_policies=[self._taken.name],
            opts=self._child,
        )


def _term(priority: int, match: str, action: str) -> gcp.compute.RouterRoutePolicyTermArgs:
    return compute.RouterRoutePolicyTermArgs(
        priority=priority,
        match=compute.RouterRoutePolicyTermMatchArgs(expression=match),
        actions=[compute.RouterRoutePolicyTermActionArgs(expression=action)],
    )


def _alone(address: str) -> str:
    return f"{address}/32"
