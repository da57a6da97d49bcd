"""Deploys a private bucket: encrypted, versioned, over TLS only, its owner's alone, and emptied of what is old."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.audit_plan import AuditBucketPlan
from infra.platforms.aws.policies import Statement, over_tls_only

s3 = aws.s3
# An upload that broke off is paid for and never seen.
BROKEN_UPLOAD_DAYS = 7


class PrivateBucket(pulumi.ComponentResource):
    """Owns a bucket and all that makes it private. `arn` and `bucket` are known when nobody else reaches it."""

    def __init__(
        self,
        name: str,
        *,
        name_prefix: str,
        key_arn: pulumi.Input[str] | None,
        logged_to: pulumi.Input[str] | None,
        old_versions_days: int,
        keep_days: int | None,
        protected: bool,
        statements: pulumi.Input[Sequence[Statement]] = (),
        lock: AuditBucketPlan | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:PrivateBucket", name, None, opts)
        # With all that makes it private: a refused `pulumi destroy` removes whatever is not protected itself, and so
        # would a rename.
        child = pulumi.ResourceOptions(parent=self, protect=protected)
        made = s3.Bucket(
            name,
            bucket_prefix=name_prefix,
            # What is not protected goes whole, with what is in it.
            force_destroy=not protected,
            # Only a new bucket can have it.
            object_lock_enabled=True if lock else None,
            opts=child,
        )
        private = [
            s3.BucketPublicAccessBlock(
                name,
                bucket=made.id,
                block_public_acls=True,
                block_public_policy=True,
                ignore_public_acls=True,
                restrict_public_buckets=True,
                opts=child,
            ),
            s3.BucketOwnershipControls(
                name,
                bucket=made.id,
                rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
                opts=child,
            ),
            s3.BucketServerSideEncryptionConfiguration(name, bucket=made.id, rules=[_encryption(key_arn)], opts=child),
            s3.BucketVersioning(
                name,
                bucket=made.id,
                versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
                opts=child,
            ),
        ]
        policy = pulumi.Output.all(made.arn, statements).apply(lambda known: over_tls_only(known[0], *known[1]))
        s3.BucketPolicy(
            name,
            bucket=made.id,
            policy=policy,
            # AWS refuses both at once.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=private[:1])),
        )
        s3.BucketLifecycleConfiguration(
            name,
            bucket=made.id,
            rules=[_lifecycle(old_versions_days, keep_days)],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=private[3:])),
        )
        if lock is not None:
            retention = s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(mode=lock.mode.upper(), days=lock.days)
            s3.BucketObjectLockConfiguration(
                name,
                bucket=made.id,
                rule=s3.BucketObjectLockConfigurationRuleArgs(default_retention=retention),
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=private[3:])),
            )
        if logged_to is not None:
            s3.BucketLogging(
                name, bucket=made.id, target_bucket=logged_to, target_prefix=f"buckets/{name}/", opts=child
            )
        self.bucket, self.arn = made.id, made.arn
        self.register_outputs({"bucket": self.bucket})


def _encryption(key_arn: pulumi.Input[str] | None) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgs:
    """With a key of ours, asked once for a bucket and not for each object; AWS' own where its services write logs."""
    by_default = s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="aws:kms" if key_arn is not None else "AES256", kms_master_key_id=key_arn
    )
    return s3.BucketServerSideEncryptionConfigurationRuleArgs(
        apply_server_side_encryption_by_default=by_default, bucket_key_enabled=key_arn is not None
    )


def _lifecycle(old_versions_days: int, keep_days: int | None) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    return s3.BucketLifecycleConfigurationRuleArgs(
        id="old",
        status="Enabled",
        filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        abort_incomplete_multipart_upload=s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=BROKEN_UPLOAD_DAYS
        ),
        noncurrent_version_expiration=s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=old_versions_days
        ),
        expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(days=keep_days) if keep_days else None,
    )
