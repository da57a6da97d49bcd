"""Deploys the machines of a cluster as node groups of ours: one for each way to buy, in each zone."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.component_fabric import Fabric
from infra.platforms.aws.component_launch_template import launch_template
from infra.platforms.aws.machines import MachinePool, NodesPlan

eks = aws.eks
# As Auto Scaling's tags say it to the autoscaler, which otherwise sees GPUs alone of a group that has no machine.
RESOURCE_TAG = "k8s.io/cluster-autoscaler/node-template/resources/"
CAPACITY = {"spot": "SPOT", "on-demand": "ON_DEMAND", "reserved": "ON_DEMAND"}
# A machine starts within minutes; a group whose machines never come is not waited for much longer.
CREATE_MINUTES, DELETE_MINUTES = 30, 30


class NodeGroups(pulumi.ComponentResource):
    """Owns launch templates and node groups. EKS ends what is interrupted, repairs what is not well, and drains before
    it replaces. How many machines there are is whoever scales the groups' to say."""

    def __init__(
        self,
        name: str,
        plan: NodesPlan,
        *,
        cluster_name: pulumi.Input[str],
        kubernetes_version: str,
        node_role_arn: pulumi.Input[str],
        vpc_id: pulumi.Input[str],
        subnet_ids: Mapping[str, pulumi.Input[str]],
        cluster_security_group_id: pulumi.Input[str],
        disk_key_arn: pulumi.Input[str],
        tags: Mapping[str, str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:aws:NodeGroups", name, None, opts)
        self._name, self._plan = name, plan
        self._cluster_name, self._version, self._role_arn = cluster_name, kubernetes_version, node_role_arn
        self._child = pulumi.ResourceOptions(parent=self)
        fast = [pool for pool in plan.pools.values() if pool.devices]
        fabric = Fabric(f"{name}-fabric", fast, vpc_id=vpc_id, opts=self._child) if fast else None
        for pool in plan.pools.values():
            near = fabric if pool.devices else None
            groups = [cluster_security_group_id, near.security_group_id] if near else []
            template: aws.ec2.LaunchTemplate | None = None
            for zone in pool.zones:
                # One for all zones, but where each has a place of its own.
                if template is None or near:
                    template = launch_template(
                        f"{name}-{pool.name}" + (f"-{zone[-1]}" if near else ""),
                        plan,
                        pool,
                        disk_key_arn=disk_key_arn,
                        security_group_ids=groups,
                        placement=near.placement[pool.pool, zone] if near else None,
                        tags=tags,
                        opts=self._child,
                    )
                self._group(pool, zone, template, subnet_ids[zone])
        self.register_outputs({})

    def _group(
        self, pool: MachinePool, zone: str, template: aws.ec2.LaunchTemplate, subnet_id: pulumi.Input[str]
    ) -> None:
        name, least = f"{self._name}-{pool.name}-{zone[-1]}", pool.at_rest[zone]
        made = eks.NodeGroup(
            name,
            cluster_name=self._cluster_name,
            version=self._version,
            node_role_arn=self._role_arn,
            subnet_ids=[subnet_id],
            ami_type=pool.image,
            capacity_type="CAPACITY_BLOCK" if pool.capacity_block else CAPACITY[pool.capacity],
            # That of a capacity block is the template's.
            instance_types=None if pool.capacity_block else [*pool.instance_types],
            labels=dict(pool.labels),
            taints=[eks.NodeGroupTaintArgs(key=pool.taint, value="true", effect="NO_SCHEDULE")] if pool.taint else None,
            scaling_config=eks.NodeGroupScalingConfigArgs(
                min_size=least, desired_size=least, max_size=max(1, pool.max_nodes)
            ),
            update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            node_repair_config=eks.NodeGroupNodeRepairConfigArgs(enabled=True),
            launch_template=eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(lambda number: str(int(number)))
            ),
            opts=pulumi.ResourceOptions.merge(
                self._child,
                pulumi.ResourceOptions(
                    ignore_changes=["scalingConfig.desiredSize"],
                    custom_timeouts=pulumi.CustomTimeouts(
                        create=f"{CREATE_MINUTES}m", update=f"{CREATE_MINUTES * 2}m", delete=f"{DELETE_MINUTES}m"
                    ),
                ),
            ),
        )
        for resource, amount in pool.told.items():
            aws.autoscaling.Tag(
                f"{name}-{resource.rpartition('/')[2]}",
                autoscaling_group_name=made.resources[0].autoscaling_groups[0].name,
                tag=aws.autoscaling.TagTagArgs(
                    key=f"{RESOURCE_TAG}{resource}", value=amount, propagate_at_launch=False
                ),
                opts=self._child,
            )
