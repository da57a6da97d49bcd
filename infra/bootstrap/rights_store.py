"""Rights for where gateways count together, for objects that nobody deletes, and for who hears of a budget.

Actions and what bounds them are from memory of AWS' service authorization reference, 2026-11: check them on first use.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Rights, right
from infra.bootstrap.rights_data import BUCKET, GIVE_KEY, USE_KEY

CACHE = "arn:aws:elasticache:{region}:{account}:"
GROUPS = (f"{CACHE}replicationgroup:*", f"{CACHE}cluster:*", f"{CACHE}snapshot:*")
SUBNETS, PARAMETERS = f"{CACHE}subnetgroup:*", f"{CACHE}parametergroup:*"
TAGS = "elasticache:AddTagsToResource"
UNTAGS = f"{TAGS} elasticache:RemoveTagsFromResource"
BUDGETS = "arn:aws:budgets::{account}:budget/{prefix}*"
STORE_RIGHTS: Mapping[str, Rights] = {
    "aws:elasticache/replicationGroup:ReplicationGroup": Rights(
        reads=(
            right(
                "elasticache:DescribeReplicationGroups elasticache:DescribeCacheClusters "
                "elasticache:ListTagsForResource",
                *GROUPS,
            ),
        ),
        writes=(
            right(f"elasticache:CreateReplicationGroup {TAGS}", *GROUPS, SUBNETS, PARAMETERS, when="made"),
            right(
                "elasticache:ModifyReplicationGroup elasticache:DeleteReplicationGroup "
                f"elasticache:IncreaseReplicaCount elasticache:DecreaseReplicaCount {UNTAGS}",
                *GROUPS,
                SUBNETS,
                PARAMETERS,
                when="own",
            ),
            *(GIVE_KEY, USE_KEY),
        ),
    ),
    "aws:elasticache/subnetGroup:SubnetGroup": Rights(
        reads=(right("elasticache:DescribeCacheSubnetGroups elasticache:ListTagsForResource", SUBNETS),),
        writes=(
            right(f"elasticache:CreateCacheSubnetGroup {TAGS}", SUBNETS, when="made"),
            right(
                f"elasticache:ModifyCacheSubnetGroup elasticache:DeleteCacheSubnetGroup {UNTAGS}", SUBNETS, when="own"
            ),
        ),
    ),
    "aws:elasticache/parameterGroup:ParameterGroup": Rights(
        reads=(
            right(
                "elasticache:DescribeCacheParameterGroups elasticache:DescribeCacheParameters "
                "elasticache:ListTagsForResource",
                PARAMETERS,
            ),
        ),
        writes=(
            right(f"elasticache:CreateCacheParameterGroup {TAGS}", PARAMETERS, when="made"),
            right(
                "elasticache:ModifyCacheParameterGroup elasticache:ResetCacheParameterGroup "
                f"elasticache:DeleteCacheParameterGroup {UNTAGS}",
                PARAMETERS,
                when="own",
            ),
        ),
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": Rights(
        reads=(right("s3:GetBucketObjectLockConfiguration", BUCKET),),
        writes=(right("s3:PutBucketObjectLockConfiguration", BUCKET),),
    ),
    "aws:budgets/budget:Budget": Rights(
        reads=(right("budgets:ViewBudget budgets:ListTagsForResource", BUDGETS),),
        writes=(right("budgets:ModifyBudget budgets:TagResource budgets:UntagResource", BUDGETS),),
    ),
}
