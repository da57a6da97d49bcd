"""Deploys the network of a site on AWS: subnets in every zone, ways out, ways to AWS itself, and a log of who asked."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.component_endpoints import endpoints
from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.network import NetworkPlan, Subnet
from infra.platforms.aws.policies import trust, writes_logs

ANYWHERE = "0.0.0.0/0"
# By which controllers in the cluster find subnets; ours name them, others may look.
ROLE_TAGS: Mapping[str, Mapping[str, str]] = {
    "public": {"kubernetes.io/role/elb": "1"},
    "private": {"kubernetes.io/role/internal-elb": "1"},
    "internal": {},
}


class Network(pulumi.ComponentResource):
    """Owns a new network, or nothing where one exists. `subnet_ids` are by role, zones in their order;
    `nat_gateway_ids` by the public subnet that each is in, `private_tables` those of routes of nodes' subnets."""

    vpc_id: pulumi.Input[str]
    private_tables: list[pulumi.Input[str]]

    def __init__(
        self,
        name: str,
        plan: NetworkPlan,
        *,
        region: str,
        logs_key_arn: pulumi.Input[str],
        log_retention_days: int,
        roles: RoleBounds,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Network", name, None, opts)
        self._name, self._plan = name, plan
        self.nat_gateway_ids: dict[str, pulumi.Input[str]] = {}
        self._child = pulumi.ResourceOptions(parent=self)
        self.private_tables = []
        if plan.vpc_id is not None:
            self.vpc_id = plan.vpc_id
            ids: dict[str, pulumi.Input[str]] = {
                subnet: planned.subnet_id or "" for subnet, planned in plan.subnets.items()
            }
        else:
            vpc = self._vpc()
            self.vpc_id = vpc.id
            made = {subnet: self._subnet(subnet, planned, vpc) for subnet, planned in plan.subnets.items()}
            ids = {subnet: resource.id for subnet, resource in made.items()}
            self.private_tables = self._routes(vpc, made)
            endpoints(name, plan, region=region, vpc=vpc, subnets=ids, tables=self.private_tables, opts=self._child)
            self._flow_log(vpc, logs_key_arn, log_retention_days, roles)
        self.subnet_ids: dict[str, list[pulumi.Input[str]]] = {
            role: [ids[subnet] for subnet in plan.of_role(role)] for role in ROLE_TAGS
        }
        self.register_outputs({"vpc_id": self.vpc_id})

    def _vpc(self) -> aws.ec2.Vpc:
        vpc = aws.ec2.Vpc(
            f"{self._name}-vpc",
            cidr_block=self._plan.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": self._name},
            opts=self._child,
        )
        # Without rules of its own it lets nobody in or out: whoever forgets to name a group gets no connection.
        aws.ec2.DefaultSecurityGroup(
            f"{self._name}-default-security-group", vpc_id=vpc.id, ingress=[], egress=[], opts=self._child
        )
        return vpc

    def _subnet(self, name: str, planned: Subnet, vpc: aws.ec2.Vpc) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            f"{self._name}-{name}",
            vpc_id=vpc.id,
            availability_zone=planned.zone,
            cidr_block=planned.cidr,
            # Also in a public one: a load balancer and a NAT gateway bring addresses of their own.
            map_public_ip_on_launch=False,
            tags={"Name": f"{self._name}-{name}", **ROLE_TAGS[planned.role]},
            opts=self._child,
        )

    def _routes(self, vpc: aws.ec2.Vpc, subnets: Mapping[str, aws.ec2.Subnet]) -> list[pulumi.Input[str]]:
        """A table for each subnet. Returns those of subnets that reach AWS by endpoints."""
        name, plan = self._name, self._plan
        outside = aws.ec2.InternetGateway(f"{name}-internet", vpc_id=vpc.id, tags={"Name": name}, opts=self._child)
        gateways = {
            exit_: self._nat(exit_, subnets[exit_], outside) for exit_ in dict.fromkeys(self._plan.exits.values())
        }
        self.nat_gateway_ids = {exit_: gateway.id for exit_, gateway in gateways.items()}
        tables: list[pulumi.Input[str]] = []
        for subnet, planned in plan.subnets.items():
            table = aws.ec2.RouteTable(
                f"{name}-{subnet}-routes", vpc_id=vpc.id, tags={"Name": f"{name}-{subnet}"}, opts=self._child
            )
            aws.ec2.RouteTableAssociation(
                f"{name}-{subnet}-routes", route_table_id=table.id, subnet_id=subnets[subnet].id, opts=self._child
            )
            exit_ = plan.exits.get(subnet)
            if planned.role == "public":
                aws.ec2.Route(
                    f"{name}-{subnet}-out",
                    route_table_id=table.id,
                    destination_cidr_block=ANYWHERE,
                    gateway_id=outside.id,
                    opts=self._child,
                )
            elif exit_ is not None:
                aws.ec2.Route(
                    f"{name}-{subnet}-out",
                    route_table_id=table.id,
                    destination_cidr_block=ANYWHERE,
                    nat_gateway_id=gateways[exit_].id,
                    opts=self._child,
                )
            if planned.role == "private":
                tables.append(table.id)
        return tables

    def _nat(self, name: str, subnet: aws.ec2.Subnet, outside: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        """It has an address of its own, and nothing to send it to before the network is connected."""
        after = pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[outside]))
        address = aws.ec2.Eip(f"{self._name}-{name}-nat", domain="vpc", tags={"Name": self._name}, opts=after)
        return aws.ec2.NatGateway(
            f"{self._name}-{name}-nat",
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags={"Name": f"{self._name}-{name}"},
            opts=after,
        )

    def _flow_log(self, vpc: aws.ec2.Vpc, key_arn: pulumi.Input[str], retention_days: int, roles: RoleBounds) -> None:
        group = aws.cloudwatch.LogGroup(
            f"{self._name}-flows", kms_key_id=key_arn, retention_in_days=retention_days, opts=self._child
        )
        role = aws.iam.Role(
            f"{self._name}-flows",
            name_prefix=roles.name_prefix,
            permissions_boundary=roles.boundary_arn,
            assume_role_policy=trust("vpc-flow-logs.amazonaws.com"),
            opts=self._child,
        )
        aws.iam.RolePolicy(f"{self._name}-flows", role=role.id, policy=group.arn.apply(writes_logs), opts=self._child)
        aws.ec2.FlowLog(
            f"{self._name}-flows",
            vpc_id=vpc.id,
            traffic_type="ALL",
            iam_role_arn=role.arn,
            log_destination=group.arn,
            log_destination_type="cloud-watch-logs",
            opts=self._child,
        )
