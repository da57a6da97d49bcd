"""Rights for a site's network: what EC2 has of it.

Actions and what bounds them are from memory of AWS' service authorization reference, 2026-11: tried in no account yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Right, Rights, right

EC2 = "arn:aws:ec2:{region}:{account}:"
LISTS = "EC2 lists on `*` only"
VPC, SUBNET, GROUP, ROUTES = (f"{EC2}{kind}/*" for kind in ("vpc", "subnet", "security-group", "route-table"))
GROUP_RULE, ADDRESS, GATEWAY = (f"{EC2}{kind}/*" for kind in ("security-group-rule", "elastic-ip", "internet-gateway"))
NAT, ENDPOINT, FLOW_LOG = (f"{EC2}{kind}/*" for kind in ("natgateway", "vpc-endpoint", "vpc-flow-log"))
INTERFACE = f"{EC2}network-interface/*"


def seen(*kinds: str) -> tuple[Right, ...]:
    """To look at such things of EC2."""
    return (right(" ".join(f"ec2:Describe{kind}" for kind in ("Tags", *kinds)), "*", why=LISTS),)


def tagged(action: str, thing: str) -> tuple[Right, ...]:
    """Tags come with what is made; later, they are those of things of ours."""
    return (
        right("ec2:CreateTags", thing, when="made", StringEquals={"ec2:CreateAction": action}),
        right("ec2:CreateTags ec2:DeleteTags", thing, when="own"),
    )


NETWORK_RIGHTS: Mapping[str, Rights] = {
    "aws:ec2/vpc:Vpc": Rights(
        reads=(
            *seen("Vpcs", "NetworkAcls", "RouteTables", "SecurityGroups", "NetworkInterfaces"),
            right("ec2:DescribeVpcAttribute", "*", why=LISTS),
        ),
        writes=(
            right("ec2:CreateVpc", VPC, when="made"),
            right("ec2:DeleteVpc ec2:ModifyVpcAttribute", VPC, when="own"),
            *tagged("CreateVpc", VPC),
        ),
    ),
    "aws:ec2/subnet:Subnet": Rights(
        reads=seen("Subnets"),
        writes=(
            right("ec2:CreateSubnet", SUBNET, when="made"),
            right("ec2:CreateSubnet", VPC, when="own"),
            right("ec2:DeleteSubnet ec2:ModifySubnetAttribute", SUBNET, when="own"),
            *tagged("CreateSubnet", SUBNET),
        ),
    ),
    "aws:ec2/internetGateway:InternetGateway": Rights(
        reads=seen("InternetGateways"),
        writes=(
            right("ec2:CreateInternetGateway", GATEWAY, when="made"),
            right("ec2:AttachInternetGateway ec2:DetachInternetGateway", GATEWAY, VPC, when="own"),
            right("ec2:DeleteInternetGateway", GATEWAY, when="own"),
            *tagged("CreateInternetGateway", GATEWAY),
        ),
    ),
    "aws:ec2/eip:Eip": Rights(
        reads=seen("Addresses", "AddressesAttribute"),
        writes=(
            right("ec2:AllocateAddress", ADDRESS, when="made"),
            right("ec2:ReleaseAddress ec2:DisassociateAddress", ADDRESS, INTERFACE, when="own"),
            *tagged("AllocateAddress", ADDRESS),
        ),
    ),
    "aws:ec2/natGateway:NatGateway": Rights(
        reads=seen("NatGateways"),
        writes=(
            right("ec2:CreateNatGateway", NAT, when="made"),
            right("ec2:CreateNatGateway", SUBNET, ADDRESS, when="own"),
            right("ec2:DeleteNatGateway", NAT, when="own"),
            *tagged("CreateNatGateway", NAT),
        ),
    ),
    "aws:ec2/routeTable:RouteTable": Rights(
        reads=seen("RouteTables"),
        writes=(
            right("ec2:CreateRouteTable", ROUTES, when="made"),
            right("ec2:CreateRouteTable", VPC, when="own"),
            right("ec2:DeleteRouteTable", ROUTES, when="own"),
            *tagged("CreateRouteTable", ROUTES),
        ),
    ),
    "aws:ec2/route:Route": Rights(
        reads=seen("RouteTables"),
        writes=(right("ec2:CreateRoute ec2:DeleteRoute ec2:ReplaceRoute", ROUTES, when="own"),),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Rights(
        reads=seen("RouteTables"),
        writes=(
            right(
                "ec2:AssociateRouteTable ec2:DisassociateRouteTable ec2:ReplaceRouteTableAssociation",
                *(ROUTES, SUBNET),
                when="own",
            ),
        ),
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Rights(
        reads=seen("SecurityGroups", "SecurityGroupRules"),
        writes=(
            # AWS makes it with the network, without a tag: the first thing that is done is to give it one.
            right("ec2:CreateTags", GROUP, when="unclaimed"),
            right("ec2:RevokeSecurityGroupIngress ec2:RevokeSecurityGroupEgress", GROUP, when="own"),
            right("ec2:CreateTags ec2:DeleteTags", GROUP, when="own"),
        ),
    ),
    "aws:ec2/securityGroup:SecurityGroup": Rights(
        reads=seen("SecurityGroups", "SecurityGroupRules", "NetworkInterfaces"),
        writes=(
            right("ec2:CreateSecurityGroup", GROUP, when="made"),
            right("ec2:CreateSecurityGroup", VPC, when="own"),
            right("ec2:DeleteSecurityGroup", GROUP, when="own"),
            right("ec2:RevokeSecurityGroupIngress ec2:RevokeSecurityGroupEgress", GROUP, when="own"),
            *tagged("CreateSecurityGroup", GROUP),
        ),
    ),
    **{
        f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule": Rights(
            reads=seen("SecurityGroups", "SecurityGroupRules"),
            writes=(
                right(f"ec2:AuthorizeSecurityGroup{way}", GROUP_RULE, when="made"),
                right(f"ec2:AuthorizeSecurityGroup{way} ec2:RevokeSecurityGroup{way}", GROUP, when="own"),
                right(f"ec2:AuthorizeSecurityGroup{way} ec2:RevokeSecurityGroup{way}", GROUP, when="of_cluster"),
                right("ec2:ModifySecurityGroupRules", GROUP, GROUP_RULE, when="own"),
                *tagged(f"AuthorizeSecurityGroup{way}", GROUP_RULE),
            ),
        )
        for way in ("Ingress", "Egress")
    },
    "aws:ec2/vpcEndpoint:VpcEndpoint": Rights(
        reads=seen("VpcEndpoints", "PrefixLists", "NetworkInterfaces"),
        writes=(
            right("ec2:CreateVpcEndpoint", ENDPOINT, when="made"),
            right("ec2:CreateVpcEndpoint", VPC, SUBNET, GROUP, ROUTES, when="own"),
            right("ec2:ModifyVpcEndpoint", ENDPOINT, SUBNET, GROUP, ROUTES, when="own"),
            right("ec2:DeleteVpcEndpoints", ENDPOINT, when="own"),
            *tagged("CreateVpcEndpoint", ENDPOINT),
        ),
    ),
    "aws:ec2/flowLog:FlowLog": Rights(
        reads=seen("FlowLogs"),
        writes=(
            right("ec2:CreateFlowLogs", FLOW_LOG, when="made"),
            right("ec2:CreateFlowLogs", VPC, when="own"),
            right("ec2:DeleteFlowLogs", FLOW_LOG, when="own"),
            *tagged("CreateFlowLogs", FLOW_LOG),
        ),
    ),
}
