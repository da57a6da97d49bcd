"""A network on AWS with the private links of a site: a VPN, and a peering that is asked for."""

import sys
from types import SimpleNamespace
from typing import Any

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
sys.path.insert(0, config.require("checkout"))
from infra.platforms.aws.component_links import Peering, Vpn  # noqa: E402
from infra.platforms.aws.link_plan import ConnectionPlan, PeeringPlan, TunnelPlan, VpnPlan  # noqa: E402

provider = aws.Provider("here", region="us-east-1")
opts = pulumi.ResourceOptions(providers=[provider], provider=provider)
vpc = aws.ec2.Vpc("network", cidr_block="10.40.0.0/16", opts=opts)
table = aws.ec2.RouteTable("private", vpc_id=vpc.id, opts=opts)
network: Any = SimpleNamespace(vpc_id=vpc.id, private_tables=[table.id])
tunnels = (
    TunnelPlan(router_range="169.254.61.0/30", secret="first"),
    TunnelPlan(router_range="169.254.61.4/30", secret=None),
)
vpn = VpnPlan(
    asn=64_514,
    peer_asn=None,
    connections=(ConnectionPlan(peer="203.0.113.10", tunnels=tunnels),),
    peer_ranges=("10.0.0.0/14",),
    ike_version="ikev2",
    encryption="AES256",
    integrity="SHA2-256",
    group=14,
)
peering = PeeringPlan(
    vpc_id="vpc-0fedcba9876543210",
    account="210987654321",
    region=None,
    connection_id=None,
    accepts=False,
    resolves_names=False,
    peer_ranges=("10.8.0.0/16",),
)
components = pulumi.ResourceOptions(providers=[provider])
secrets = config.require_secret("secrets")
pulumi.export("vpn", Vpn("link", vpn, network=network, secrets=secrets, opts=components).told)
pulumi.export("peering", Peering("other", peering, network=network, opts=components).told)
