"""Rights for a site's cluster and for roles of what runs there, which no boundary lets grow.

Actions and what bounds them are from memory of AWS' service authorization reference, 2026-11: tried in no account yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Rights, right
from infra.bootstrap.rights_data import GIVE_KEY, USE_KEY

EKS = "arn:aws:eks:{region}:{account}:"
CLUSTER, ROLE = f"{EKS}cluster/{{full}}", "arn:aws:iam::{account}:role/{prefix}*"
ADDON, ENTRY = f"{EKS}addon/{{full}}/*/*", f"{EKS}access-entry/{{full}}/*"
IDENTITY = f"{EKS}podidentityassociation/{{full}}/*"
BOUNDED = {"iam:PermissionsBoundary": "{boundary}"}
# Who takes roles of a site. A role is handed to nobody else.
TAKERS = ("eks.amazonaws.com", "pods.eks.amazonaws.com", "ec2.amazonaws.com", "vpc-flow-logs.amazonaws.com")
# Services that have a role of their own in an account, which AWS writes and nobody changes.
WITH_OWN_ROLE = (
    *("eks.amazonaws.com", "elasticloadbalancing.amazonaws.com", "elasticfilesystem.amazonaws.com"),
    *("spot.amazonaws.com", "wafv2.amazonaws.com", "eks-nodegroup.amazonaws.com", "autoscaling.amazonaws.com"),
)
CLUSTER_RIGHTS: Mapping[str, Rights] = {
    "aws:eks/cluster:Cluster": Rights(
        reads=(right("eks:DescribeCluster eks:ListTagsForResource eks:DescribeUpdate", CLUSTER),),
        writes=(
            right(
                "eks:CreateCluster eks:DeleteCluster eks:UpdateClusterConfig eks:UpdateClusterVersion "
                "eks:AssociateEncryptionConfig eks:TagResource eks:UntagResource",
                CLUSTER,
            ),
            right(
                "iam:CreateServiceLinkedRole",
                "arn:aws:iam::{account}:role/aws-service-role/*",
                StringEquals={"iam:AWSServiceName": WITH_OWN_ROLE},
            ),
            right("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": TAKERS}),
            right("ec2:DescribeSubnets ec2:DescribeVpcs ec2:DescribeSecurityGroups", "*", why="EC2 lists on `*` only"),
            *(GIVE_KEY, USE_KEY),
        ),
    ),
    "aws:eks/addon:Addon": Rights(
        reads=(
            right("eks:DescribeAddon eks:ListTagsForResource", ADDON),
            right("eks:DescribeAddonVersions", "*", why="add-ons are AWS' own, and have no ARN"),
        ),
        writes=(
            right("eks:CreateAddon", CLUSTER),
            right("eks:DeleteAddon eks:UpdateAddon eks:TagResource eks:UntagResource", ADDON),
            right("eks:CreatePodIdentityAssociation", CLUSTER),
            right("eks:DeletePodIdentityAssociation eks:UpdatePodIdentityAssociation", IDENTITY),
            right("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": TAKERS}),
        ),
    ),
    "aws:eks/accessEntry:AccessEntry": Rights(
        reads=(right("eks:DescribeAccessEntry eks:ListTagsForResource", ENTRY),),
        writes=(
            right("eks:CreateAccessEntry", CLUSTER),
            right("eks:DeleteAccessEntry eks:UpdateAccessEntry eks:TagResource eks:UntagResource", ENTRY),
        ),
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Rights(
        reads=(right("eks:ListAssociatedAccessPolicies", ENTRY),),
        writes=(right("eks:AssociateAccessPolicy eks:DisassociateAccessPolicy", ENTRY),),
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": Rights(
        reads=(right("eks:DescribePodIdentityAssociation eks:ListTagsForResource", IDENTITY),),
        writes=(
            right("eks:CreatePodIdentityAssociation", CLUSTER),
            right(
                "eks:DeletePodIdentityAssociation eks:UpdatePodIdentityAssociation eks:TagResource eks:UntagResource",
                IDENTITY,
            ),
            right("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": TAKERS}),
        ),
    ),
    "aws:iam/role:Role": Rights(
        reads=(right("iam:GetRole iam:ListRolePolicies iam:ListAttachedRolePolicies iam:ListRoleTags", ROLE),),
        writes=(
            right("iam:CreateRole iam:PutRolePermissionsBoundary", ROLE, StringEquals=BOUNDED),
            right(
                "iam:DeleteRole iam:TagRole iam:UntagRole iam:UpdateAssumeRolePolicy iam:UpdateRoleDescription "
                "iam:ListInstanceProfilesForRole",
                ROLE,
            ),
        ),
    ),
    "aws:iam/rolePolicy:RolePolicy": Rights(
        reads=(right("iam:GetRolePolicy", ROLE),),
        writes=(right("iam:PutRolePolicy iam:DeleteRolePolicy", ROLE, StringEquals=BOUNDED),),
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Rights(
        reads=(right("iam:ListAttachedRolePolicies", ROLE),),
        writes=(right("iam:AttachRolePolicy iam:DetachRolePolicy", ROLE, StringEquals=BOUNDED),),
    ),
}
