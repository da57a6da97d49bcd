"""Deploys the machines of a cluster as node groups of ours: one for each way to buy, in each zone."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.plan.pool_nodes import POOL_LABEL
from infra.platforms.aws.machines import MachinePool, NodesPlan
from infra.platforms.aws.user_data import user_data

ec2, eks = aws.ec2, aws.eks
ROOT_DEVICES = {"BOTTLEROCKET": "/dev/xvdb", "AL2023": "/dev/xvda"}
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
        node_role_arn: pulumi.Input[str],
        subnet_ids: Mapping[str, pulumi.Input[str]],
        disk_key_arn: pulumi.Input[str],
        tags: Mapping[str, str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:aws:NodeGroups", name, None, opts)
        self._name, self._plan, self._tags = name, plan, tags
        self._child = pulumi.ResourceOptions(parent=self)
        for pool in plan.pools.values():
            template = self._template(pool, disk_key_arn)
            for place, zone in enumerate(pool.zones):
                self._group(pool, place, zone, template, cluster_name, node_role_arn, subnet_ids[zone])
        self.register_outputs({})

    def _template(self, pool: MachinePool, key_arn: pulumi.Input[str]) -> aws.ec2.LaunchTemplate:
        plan, image = self._plan, pool.image or ""
        disk = ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            volume_size=plan.disk_gibibytes,
            volume_type="gp3",
            iops=plan.disk_operations,
            throughput=plan.disk_throughput_mebibytes,
            encrypted="true",
            kms_key_id=key_arn,
            delete_on_termination="true",
        )
        device = next(device for family, device in ROOT_DEVICES.items() if image.startswith(family))
        reserved = pool.capacity == "reserved"
        return ec2.LaunchTemplate(
            f"{self._name}-{pool.name}",
            update_default_version=True,
            # Nobody but the machine itself gets at its credentials: a pod is one hop further away.
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[ec2.LaunchTemplateBlockDeviceMappingArgs(device_name=device, ebs=disk)],
            monitoring=ec2.LaunchTemplateMonitoringArgs(enabled=True),
            # The provider's own tags do not reach what a template makes.
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=dict(self._tags))
                for kind in ("instance", "volume")
            ],
            user_data=user_data(image, pool.gpus),
            capacity_reservation_specification=ec2.LaunchTemplateCapacityReservationSpecificationArgs(
                capacity_reservation_target=(
                    ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
                        capacity_reservation_id=plan.reservation_id
                    )
                )
            )
            if reserved
            else None,
            opts=self._child,
        )

    def _group(
        self,
        pool: MachinePool,
        place: int,
        zone: str,
        template: aws.ec2.LaunchTemplate,
        cluster_name: pulumi.Input[str],
        role_arn: pulumi.Input[str],
        subnet_id: pulumi.Input[str],
    ) -> None:
        zones = len(pool.zones)
        # Spread as evenly as they go, in the zones' order.
        least = pool.min_nodes // zones + (place < pool.min_nodes % zones)
        eks.NodeGroup(
            f"{self._name}-{pool.name}-{zone[-1]}",
            cluster_name=cluster_name,
            node_role_arn=role_arn,
            subnet_ids=[subnet_id],
            ami_type=pool.image,
            capacity_type="SPOT" if pool.capacity == "spot" else "ON_DEMAND",
            instance_types=[*pool.instance_types],
            labels={POOL_LABEL: pool.pool},
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
