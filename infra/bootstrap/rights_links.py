"""Rights for the private link of a site: what EC2 has of a VPN, and of a peering with another network.

Actions and what bounds them are from memory of AWS' service authorization reference, 2026-11: tried in no account yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Rights, right
from infra.bootstrap.rights_network import EC2, VPC, seen, tagged

VPN_GATEWAY, CUSTOMER_GATEWAY, CONNECTION = (
    f"{EC2}{kind}/*" for kind in ("vpn-gateway", "customer-gateway", "vpn-connection")
)
PEERING = f"{EC2}vpc-peering-connection/*"

LINK_RIGHTS: Mapping[str, Rights] = {
    "aws:ec2/vpnGateway:VpnGateway": Rights(
        reads=seen("VpnGateways"),
        writes=(
            right("ec2:CreateVpnGateway", VPN_GATEWAY, when="made"),
            right("ec2:AttachVpnGateway ec2:DetachVpnGateway", VPN_GATEWAY, VPC, when="own"),
            right("ec2:DeleteVpnGateway", VPN_GATEWAY, when="own"),
            *tagged("CreateVpnGateway", VPN_GATEWAY),
        ),
    ),
    "aws:ec2/customerGateway:CustomerGateway": Rights(
        reads=seen("CustomerGateways"),
        writes=(
            right("ec2:CreateCustomerGateway", CUSTOMER_GATEWAY, when="made"),
            right("ec2:DeleteCustomerGateway", CUSTOMER_GATEWAY, when="own"),
            *tagged("CreateCustomerGateway", CUSTOMER_GATEWAY),
        ),
    ),
    "aws:ec2/vpnConnection:VpnConnection": Rights(
        reads=seen("VpnConnections"),
        writes=(
            right("ec2:CreateVpnConnection", CONNECTION, when="made"),
            right("ec2:CreateVpnConnection", VPN_GATEWAY, CUSTOMER_GATEWAY, when="own"),
            right("ec2:ModifyVpnConnection", CONNECTION, VPN_GATEWAY, CUSTOMER_GATEWAY, when="own"),
            right(
                "ec2:ModifyVpnConnectionOptions ec2:ModifyVpnTunnelOptions ec2:DeleteVpnConnection",
                CONNECTION,
                when="own",
            ),
            *tagged("CreateVpnConnection", CONNECTION),
        ),
    ),
    "aws:ec2/vpnConnectionRoute:VpnConnectionRoute": Rights(
        reads=seen("VpnConnections"),
        writes=(right("ec2:CreateVpnConnectionRoute ec2:DeleteVpnConnectionRoute", CONNECTION, when="own"),),
    ),
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": Rights(
        reads=seen("VpcPeeringConnections"),
        writes=(
            right("ec2:CreateVpcPeeringConnection", PEERING, when="made"),
            right("ec2:CreateVpcPeeringConnection", VPC, when="own"),
            right("ec2:AcceptVpcPeeringConnection ec2:DeleteVpcPeeringConnection", PEERING, when="own"),
            # To accept for the other network too, in the same account, would be a right on every network there.
            right("ec2:AcceptVpcPeeringConnection", VPC, when="own"),
            *tagged("CreateVpcPeeringConnection", PEERING),
        ),
    ),
    "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": Rights(
        reads=seen("VpcPeeringConnections"),
        writes=(
            # Whoever asked gave it no tag that is seen here: what bounds it is the network that it is of.
            right("ec2:AcceptVpcPeeringConnection", PEERING),
            right("ec2:AcceptVpcPeeringConnection", VPC, when="own"),
            right("ec2:CreateTags", PEERING, when="unclaimed"),
            right("ec2:DeleteVpcPeeringConnection ec2:CreateTags ec2:DeleteTags", PEERING, when="own"),
        ),
    ),
    "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": Rights(
        reads=seen("VpcPeeringConnections"),
        writes=(
            right("ec2:ModifyVpcPeeringConnectionOptions", PEERING, when="own"),
            right("ec2:ModifyVpcPeeringConnectionOptions", VPC, when="own"),
        ),
    ),
}
