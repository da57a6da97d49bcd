"""Deploys the ways from a network of ours to AWS' own services that do not go over the internet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.network import NetworkPlan

HTTPS = 443


def endpoints(
    name: str,
    plan: NetworkPlan,
    *,
    region: str,
    vpc: aws.ec2.Vpc,
    subnets: Mapping[str, pulumi.Input[str]],
    tables: Sequence[pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> None:
    """One for each service: in the routes of nodes' subnets, or with an interface in each of them."""
    for service in plan.gateway_endpoints:
        aws.ec2.VpcEndpoint(
            f"{name}-endpoint-{service}",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{region}.{service}",
            vpc_endpoint_type="Gateway",
            route_table_ids=[*tables],
            tags={"Name": f"{name}-{service}"},
            opts=opts,
        )
    if not plan.endpoints:
        return
    group = aws.ec2.SecurityGroup(
        f"{name}-endpoints",
        description="AWS services, from inside the network",
        vpc_id=vpc.id,
        tags={"Name": f"{name}-endpoints"},
        opts=opts,
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-endpoints-https",
        security_group_id=group.id,
        description="HTTPS from inside the network",
        ip_protocol="tcp",
        from_port=HTTPS,
        to_port=HTTPS,
        cidr_ipv4=plan.cidr,
        opts=opts,
    )
    for service in plan.endpoints:
        aws.ec2.VpcEndpoint(
            f"{name}-endpoint-{service.replace('.', '-')}",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=[subnets[subnet] for subnet in plan.of_role("private")],
            security_group_ids=[group.id],
            tags={"Name": f"{name}-{service}"},
            opts=opts,
        )
