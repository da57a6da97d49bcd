"""Rights for node groups of a site's own: how their machines start, where, and the groups that EKS makes of them.

Actions and what bounds them are from memory of AWS' service authorization reference, 2026-11: tried in no account yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Rights, right
from infra.bootstrap.rights_cluster import CLUSTER, EKS, ROLE, TAKERS
from infra.bootstrap.rights_data import GIVE_KEY, USE_KEY
from infra.bootstrap.rights_network import EC2, GROUP, INTERFACE, LISTS, SUBNET, seen, tagged

TEMPLATE, PLACE = f"{EC2}launch-template/*", f"{EC2}placement-group/*"
MACHINE, VOLUME, IMAGE = f"{EC2}instance/*", f"{EC2}volume/*", "arn:aws:ec2:{region}::image/*"
NODE_GROUP = f"{EKS}nodegroup/{{full}}/*"
# EKS makes one for each node group, and calls it so.
SCALED = "arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/eks-*"
NODE_RIGHTS: Mapping[str, Rights] = {
    "aws:ec2/launchTemplate:LaunchTemplate": Rights(
        reads=seen("LaunchTemplates", "LaunchTemplateVersions"),
        writes=(
            right("ec2:CreateLaunchTemplate", TEMPLATE, when="made"),
            right(
                "ec2:CreateLaunchTemplateVersion ec2:DeleteLaunchTemplate ec2:DeleteLaunchTemplateVersions "
                "ec2:ModifyLaunchTemplate",
                TEMPLATE,
                when="own",
            ),
            *tagged("CreateLaunchTemplate", TEMPLATE),
        ),
    ),
    "aws:ec2/placementGroup:PlacementGroup": Rights(
        reads=seen("PlacementGroups"),
        writes=(
            right("ec2:CreatePlacementGroup", PLACE, when="made"),
            right("ec2:DeletePlacementGroup", PLACE, when="own"),
            *tagged("CreatePlacementGroup", PLACE),
        ),
    ),
    "aws:eks/nodeGroup:NodeGroup": Rights(
        reads=(
            right("eks:DescribeNodegroup eks:DescribeUpdate eks:ListTagsForResource", NODE_GROUP),
            right("ec2:DescribeLaunchTemplateVersions", "*", why=LISTS),
        ),
        writes=(
            right("eks:CreateNodegroup", CLUSTER),
            right(
                "eks:DeleteNodegroup eks:UpdateNodegroupConfig eks:UpdateNodegroupVersion eks:TagResource "
                "eks:UntagResource",
                NODE_GROUP,
            ),
            right("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": TAKERS}),
            # EKS asks, before it makes a group, whether its caller may start such a machine.
            right("ec2:RunInstances", TEMPLATE, SUBNET, GROUP, PLACE, when="own"),
            right("ec2:RunInstances", GROUP, when="of_cluster"),
            right("ec2:RunInstances", MACHINE, VOLUME, when="made"),
            right("ec2:RunInstances", INTERFACE, IMAGE),
            right("ec2:CreateTags", MACHINE, VOLUME, when="made", StringEquals={"ec2:CreateAction": "RunInstances"}),
            *(GIVE_KEY, USE_KEY),
        ),
    ),
    "aws:autoscaling/tag:Tag": Rights(
        reads=(right("autoscaling:DescribeTags", "*", why="Auto Scaling lists on `*` only"),),
        writes=(
            right(
                "autoscaling:CreateOrUpdateTags autoscaling:DeleteTags",
                SCALED,
                StringEquals={"aws:ResourceTag/eks:cluster-name": "{full}"},
            ),
        ),
    ),
}
