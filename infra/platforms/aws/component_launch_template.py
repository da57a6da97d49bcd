"""Deploys how machines of one pool start: their disks, their way to AWS, their network, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.machines import MachinePool, NodesPlan
from infra.platforms.aws.user_data import user_data

ec2 = aws.ec2
# The disk that holds images; Bottlerocket's system is on another one, as large as its image is.
DATA_DEVICES = {"BOTTLEROCKET": "/dev/xvdb", "AL2023": "/dev/xvda"}
SYSTEM_DEVICES = {"BOTTLEROCKET": "/dev/xvda"}


def launch_template(
    name: str,
    plan: NodesPlan,
    pool: MachinePool,
    *,
    disk_key_arn: pulumi.Input[str],
    security_group_ids: Sequence[pulumi.Input[str]],
    placement: pulumi.Input[str] | None,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> aws.ec2.LaunchTemplate:
    """Without `security_group_ids`, EKS gives its machines the cluster's."""
    image = pool.image or ""
    return ec2.LaunchTemplate(
        name,
        update_default_version=True,
        instance_type=pool.instance_types[0] if pool.capacity_block else None,
        instance_market_options=ec2.LaunchTemplateInstanceMarketOptionsArgs(market_type="capacity-block")
        if pool.capacity_block
        else None,
        # Nobody but the machine itself gets at its credentials: a pod is one hop further away.
        metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
            http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
        ),
        block_device_mappings=_disks(plan, image, disk_key_arn),
        monitoring=ec2.LaunchTemplateMonitoringArgs(enabled=True),
        # The provider's own tags do not reach what a template makes.
        tag_specifications=[
            ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=dict(tags))
            for kind in ("instance", "volume")
        ],
        user_data=user_data(image, pool.gpus, pool.sharing),
        network_interfaces=_devices(pool, security_group_ids) or None,
        placement=ec2.LaunchTemplatePlacementArgs(group_name=placement) if placement is not None else None,
        capacity_reservation_specification=ec2.LaunchTemplateCapacityReservationSpecificationArgs(
            capacity_reservation_target=(
                ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
                    capacity_reservation_id=plan.reservation_id
                )
            )
        )
        if pool.capacity == "reserved"
        else None,
        opts=opts,
    )


def _disks(
    plan: NodesPlan, image: str, key_arn: pulumi.Input[str]
) -> list[aws.ec2.LaunchTemplateBlockDeviceMappingArgs]:
    data = ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
        volume_size=plan.disk_gibibytes,
        volume_type="gp3",
        iops=plan.disk_operations,
        throughput=plan.disk_throughput_mebibytes,
        encrypted="true",
        kms_key_id=key_arn,
        delete_on_termination="true",
    )
    system = ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
        volume_type="gp3", encrypted="true", kms_key_id=key_arn, delete_on_termination="true"
    )
    return [
        ec2.LaunchTemplateBlockDeviceMappingArgs(device_name=device, ebs=disk)
        for devices, disk in ((DATA_DEVICES, data), (SYSTEM_DEVICES, system))
        for family, device in devices.items()
        if image.startswith(family)
    ]


def _devices(
    pool: MachinePool, security_group_ids: Sequence[pulumi.Input[str]]
) -> list[aws.ec2.LaunchTemplateNetworkInterfaceArgs]:
    """The first one is the machine's network too; those of further cards are devices alone, and take no address."""
    return [
        ec2.LaunchTemplateNetworkInterfaceArgs(
            network_card_index=card,
            device_index=1 if card else 0,
            interface_type="efa-only" if card else "efa",
            security_groups=[*security_group_ids],
            delete_on_termination="true",
        )
        for card in range(pool.devices)
    ]
