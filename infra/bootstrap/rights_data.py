"""Rights for what a site keeps: keys, buckets, images, files, logs; and to empty a bucket that is not protected.

Actions and what bounds them are from memory of AWS' service authorization reference, 2026-11: tried in no account yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Rights, right

BUCKET, OBJECTS = "arn:aws:s3:::{prefix}*", "arn:aws:s3:::{prefix}*/*"
KEY = "arn:aws:kms:{region}:{account}:key/*"
LOGS = "arn:aws:logs:{region}:{account}:log-group:*"
REPOSITORY = "arn:aws:ecr:{region}:{account}:repository/{full}/*"
FILES = "arn:aws:elasticfilesystem:{region}:{account}:file-system/*"
EC2 = "arn:aws:ec2:{region}:{account}:"
BUCKET_READS = (
    "s3:GetAccelerateConfiguration s3:GetBucketAcl s3:GetBucketCORS s3:GetBucketLocation s3:GetBucketLogging "
    "s3:GetBucketObjectLockConfiguration s3:GetBucketPolicy s3:GetBucketRequestPayment s3:GetBucketTagging "
    "s3:GetBucketVersioning s3:GetBucketWebsite s3:GetEncryptionConfiguration s3:GetLifecycleConfiguration "
    "s3:GetReplicationConfiguration s3:ListBucket"
)
# To encrypt with a key of ours, services take it in the name of who asks them (KMS developer guide, grants).
GIVE_KEY = right("kms:CreateGrant", KEY, when="own", Bool={"kms:GrantIsForAWSResource": "true"})
USE_KEY = right("kms:DescribeKey kms:GenerateDataKeyWithoutPlaintext kms:Decrypt kms:RetireGrant", KEY, when="own")


def _bucket(reads: str, writes: str) -> Rights:
    return Rights(reads=(right(reads, BUCKET),), writes=(right(writes, BUCKET),))


# Whatever is not protected goes whole, with what is in it.
EMPTYING = (
    right("s3:ListBucketVersions", BUCKET),
    right("s3:DeleteObject s3:DeleteObjectVersion", OBJECTS),
    right("ecr:BatchDeleteImage ecr:ListImages", REPOSITORY, when="own"),
)
DATA_RIGHTS: Mapping[str, Rights] = {
    "aws:kms/key:Key": Rights(
        reads=(right("kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags", KEY),),
        writes=(
            right("kms:CreateKey kms:TagResource", "*", when="made", why="a key has no ARN before it is there"),
            right(
                "kms:EnableKeyRotation kms:DisableKeyRotation kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:EnableKey "
                "kms:TagResource kms:UntagResource kms:UpdateKeyDescription",
                KEY,
                when="own",
            ),
        ),
    ),
    "aws:s3/bucket:Bucket": _bucket(BUCKET_READS, "s3:CreateBucket s3:DeleteBucket s3:PutBucketTagging"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _bucket(
        "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"
    ),
    "aws:s3/bucketLogging:BucketLogging": _bucket("s3:GetBucketLogging", "s3:PutBucketLogging"),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _bucket(
        "s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls"
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _bucket("s3:GetBucketPolicy", "s3:PutBucketPolicy s3:DeleteBucketPolicy"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _bucket(
        "s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _bucket(
        "s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _bucket("s3:GetBucketVersioning", "s3:PutBucketVersioning"),
    "aws:ecr/repository:Repository": Rights(
        reads=(right("ecr:DescribeRepositories ecr:ListTagsForResource", REPOSITORY),),
        writes=(
            right("ecr:CreateRepository ecr:TagResource", REPOSITORY, when="made"),
            right(
                "ecr:DeleteRepository ecr:PutImageScanningConfiguration ecr:PutImageTagMutability ecr:UntagResource",
                REPOSITORY,
                when="own",
            ),
            *(GIVE_KEY, USE_KEY),
        ),
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Rights(
        reads=(right("ecr:GetLifecyclePolicy", REPOSITORY),),
        writes=(right("ecr:PutLifecyclePolicy ecr:DeleteLifecyclePolicy", REPOSITORY, when="own"),),
    ),
    "aws:efs/fileSystem:FileSystem": Rights(
        reads=(
            right(
                "elasticfilesystem:DescribeFileSystems elasticfilesystem:DescribeLifecycleConfiguration "
                "elasticfilesystem:DescribeFileSystemPolicy elasticfilesystem:ListTagsForResource",
                FILES,
            ),
        ),
        writes=(
            right(
                "elasticfilesystem:CreateFileSystem elasticfilesystem:TagResource",
                "*",
                when="made",
                why="a file system has no ARN before it is there",
            ),
            right(
                "elasticfilesystem:DeleteFileSystem elasticfilesystem:PutLifecycleConfiguration "
                "elasticfilesystem:UpdateFileSystem elasticfilesystem:UntagResource",
                FILES,
                when="own",
            ),
            *(GIVE_KEY, USE_KEY),
        ),
    ),
    "aws:efs/mountTarget:MountTarget": Rights(
        reads=(
            right("elasticfilesystem:DescribeMountTargets elasticfilesystem:DescribeMountTargetSecurityGroups", FILES),
            right("ec2:DescribeSubnets ec2:DescribeNetworkInterfaces", "*", why="EC2 lists on `*` only"),
        ),
        writes=(
            right(
                "elasticfilesystem:CreateMountTarget elasticfilesystem:DeleteMountTarget "
                "elasticfilesystem:ModifyMountTargetSecurityGroups",
                FILES,
                when="own",
            ),
            right("ec2:CreateNetworkInterface", f"{EC2}subnet/*", f"{EC2}security-group/*", when="own"),
            # EFS makes the interface in the caller's name, without a tag.
            right("ec2:CreateNetworkInterface", f"{EC2}network-interface/*"),
        ),
    ),
    "aws:cloudwatch/logGroup:LogGroup": Rights(
        reads=(right("logs:DescribeLogGroups logs:ListTagsForResource", LOGS),),
        writes=(
            right("logs:CreateLogGroup logs:TagResource", LOGS, when="made"),
            right(
                "logs:AssociateKmsKey logs:DeleteLogGroup logs:PutRetentionPolicy logs:DeleteRetentionPolicy "
                "logs:UntagResource",
                LOGS,
                when="own",
            ),
        ),
    ),
}
