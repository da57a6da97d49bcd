"""Deploys what machines of one replica share: a place near one another in each zone, and a group that lets them in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.machines import MachinePool

EVERY_PROTOCOL = "-1"


class Fabric(pulumi.ComponentResource):
    """Owns placement groups, by pool and zone, and the security group of EFA devices. `placement` are their names."""

    def __init__(
        self,
        name: str,
        pools: Iterable[MachinePool],
        *,
        vpc_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:aws:Fabric", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        places = sorted({(pool.pool, zone) for pool in pools for zone in pool.zones})
        self.placement: Mapping[tuple[str, str], pulumi.Output[str]] = {
            (pool, zone): aws.ec2.PlacementGroup(f"{name}-{pool}-{zone[-1]}", strategy="cluster", opts=child).name
            for pool, zone in places
        }
        group = aws.ec2.SecurityGroup(
            f"{name}-devices",
            description="EFA devices: all of them with one another, and nobody else",
            vpc_id=vpc_id,
            tags={"Name": name},
            opts=child,
        )
        # A device takes nothing else: its own group must be named, both ways (EC2 user guide, EFA).
        for kind, way in {
            "in": aws.vpc.SecurityGroupIngressRule,
            "out": aws.vpc.SecurityGroupEgressRule,
        }.items():
            way(
                f"{name}-{kind}",
                security_group_id=group.id,
                referenced_security_group_id=group.id,
                description="EFA devices with one another",
                ip_protocol=EVERY_PROTOCOL,
                opts=child,
            )
        self.security_group_id = group.id
        self.register_outputs({})
