"""Rights to look at an account before anything is deployed to it: what doctor asks AWS, and nothing that changes it.

Actions and what bounds them are from memory of AWS' service authorization reference, 2026-11: tried in no account yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Rights, right
from infra.platforms.aws.client_authority import FOLDER

LISTS = "the service lists on `*` only"
# Roles that services have in an account; their names are the same everywhere.
SERVICE_ROLES = "arn:aws:iam::{account}:role/aws-service-role/*"

# By what doctor calls it. Who asks is told to everybody, without a right.
DOCTOR_RIGHTS: Mapping[str, Rights] = {
    "region and zones": Rights(
        reads=(right("ec2:DescribeRegions ec2:DescribeAvailabilityZones", "*", why="EC2 lists on `*` only"),)
    ),
    "machines": Rights(reads=(right("ec2:DescribeInstanceTypeOfferings", "*", why="EC2 lists on `*` only"),)),
    "reservation": Rights(reads=(right("ec2:DescribeCapacityReservations", "*", why="EC2 lists on `*` only"),)),
    "EKS": Rights(reads=(right("eks:DescribeClusterVersions", "*", why="versions are AWS' own, and have no ARN"),)),
    "add-ons": Rights(reads=(right("eks:DescribeAddonVersions", "*", why="add-ons are AWS' own, and have no ARN"),)),
    "roles of services": Rights(reads=(right("iam:GetRole", SERVICE_ROLES),)),
    "domain": Rights(
        reads=(
            right("route53:ListHostedZonesByName", "*", why=LISTS),
            right("route53:GetHostedZone", "arn:aws:route53:::hostedzone/{zone}"),
        )
    ),
    "certificates of clients": Rights(
        reads=(right("s3:GetObject s3:GetObjectVersion", f"arn:aws:s3:::*/{FOLDER}*"),),
    ),
    "private link": Rights(
        reads=(
            right("ec2:DescribeCustomerGateways ec2:DescribeVpcPeeringConnections", "*", why="EC2 lists on `*` only"),
        )
    ),
    "quotas": Rights(
        reads=(
            right(
                "servicequotas:GetServiceQuota servicequotas:GetAWSDefaultServiceQuota",
                "*",
                why="quotas of things that no stack owns",
            ),
            right(
                "ec2:DescribeInstances ec2:DescribeVpcs ec2:DescribeInternetGateways ec2:DescribeAddresses "
                "ec2:DescribeNatGateways ec2:DescribeSubnets",
                "*",
                why="EC2 lists on `*` only",
            ),
            right(
                "elasticloadbalancing:DescribeLoadBalancers elasticloadbalancing:DescribeTags",
                "*",
                why=LISTS,
            ),
            right("eks:ListClusters", "*", why=LISTS),
        )
    ),
}
