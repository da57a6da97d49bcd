"""A bucket of Cloud Storage that is private whatever its objects say, and encrypted with a key of ours."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.audit_plan import AuditBucketPlan

storage = gcp.storage
DAY_SECONDS = 86_400
# Weights are found again where they came from; what was replaced or deleted is kept for the way back.
OLD_VERSIONS_DAYS, DELETED_DAYS = 30, 7
# An upload that broke off is paid for and never seen.
BROKEN_UPLOAD_DAYS = 7


def private_bucket(
    name: str,
    *,
    region: str,
    key: pulumi.Input[str],
    protected: bool,
    opts: pulumi.ResourceOptions,
    rules: Sequence[gcp.storage.BucketLifecycleRuleArgs] = (),
    kept: AuditBucketPlan | None = None,
    logs: pulumi.Input[str] | None = None,
    goes_whole: bool = False,
) -> gcp.storage.Bucket:
    """`kept` is for how long nobody changes or deletes what is put there, `logs` the bucket that says who asked for
    what. `goes_whole`: deleting it deletes what is in it."""
    return storage.Bucket(
        name,
        location=region.upper(),
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        # What nobody may delete has no second version, and Cloud Storage takes one of both only.
        versioning=storage.BucketVersioningArgs(enabled=True) if kept is None else None,
        retention_policy=storage.BucketRetentionPolicyArgs(
            retention_period=str(kept.days * DAY_SECONDS), is_locked=kept.locked
        )
        if kept
        else None,
        soft_delete_policy=storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=DELETED_DAYS * DAY_SECONDS),
        encryption=storage.BucketEncryptionArgs(default_kms_key_name=key),
        logging=storage.BucketLoggingArgs(log_bucket=logs, log_object_prefix=name) if logs is not None else None,
        lifecycle_rules=[_broken_uploads(), *rules],
        force_destroy=goes_whole,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protected)),
    )


def replaced() -> gcp.storage.BucketLifecycleRuleArgs:
    """Versions that another one has replaced go."""
    return storage.BucketLifecycleRuleArgs(
        action=storage.BucketLifecycleRuleActionArgs(type="Delete"),
        condition=storage.BucketLifecycleRuleConditionArgs(days_since_noncurrent_time=OLD_VERSIONS_DAYS),
    )


def after(days: int) -> gcp.storage.BucketLifecycleRuleArgs:
    """Whatever is older goes."""
    return storage.BucketLifecycleRuleArgs(
        action=storage.BucketLifecycleRuleActionArgs(type="Delete"),
        condition=storage.BucketLifecycleRuleConditionArgs(age=days),
    )


def _broken_uploads() -> gcp.storage.BucketLifecycleRuleArgs:
    return storage.BucketLifecycleRuleArgs(
        action=storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
        condition=storage.BucketLifecycleRuleConditionArgs(age=BROKEN_UPLOAD_DAYS),
    )
