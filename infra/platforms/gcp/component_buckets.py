"""Deploys a site's buckets: for weights of models, for the audit, and for who asked for what is in them."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.platforms.gcp.identity_plan import ADDS, AUDIT, MODELS

storage = gcp.storage
DAY_SECONDS = 86_400
# Weights are found again where they came from; what was replaced or deleted is kept for the way back.
OLD_VERSIONS_DAYS, DELETED_DAYS, LOGS_DAYS = 30, 7, 365
# An upload that broke off is paid for and never seen.
BROKEN_UPLOAD_DAYS = 7
# Who writes the logs of buckets (Cloud Storage documentation, "Usage logs", read 2026-11).
LOGS_WRITER = "group:cloud-storage-analytics@google.com"


class Buckets(pulumi.ComponentResource):
    """Owns them: private whatever their objects say, encrypted with a key of ours. `names` are known by use."""

    def __init__(
        self,
        name: str,
        *,
        region: str,
        key: pulumi.Input[str],
        audit: AuditBucketPlan | None,
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Buckets", name, None, opts)
        self._name, self._region, self._key, self._protected = name, region, key, protected
        self._child = pulumi.ResourceOptions(parent=self)
        logs = self._bucket("logs", None, _after(LOGS_DAYS))
        storage.BucketIAMMember(
            f"{name}-logs-writer", bucket=logs.name, role=ADDS, member=LOGS_WRITER, opts=self._child
        )
        self.names = {MODELS: self._bucket(MODELS, logs, _replaced()).name}
        if audit is not None:
            kept = storage.BucketRetentionPolicyArgs(
                retention_period=str(audit.days * DAY_SECONDS), is_locked=audit.locked
            )
            self.names[AUDIT] = self._bucket(AUDIT, logs, None, kept).name
        self.register_outputs({"names": self.names})

    def _bucket(
        self,
        use: str,
        logs: gcp.storage.Bucket | None,
        rule: gcp.storage.BucketLifecycleRuleArgs | None,
        kept: gcp.storage.BucketRetentionPolicyArgs | None = None,
    ) -> gcp.storage.Bucket:
        broken = storage.BucketLifecycleRuleArgs(
            action=storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
            condition=storage.BucketLifecycleRuleConditionArgs(age=BROKEN_UPLOAD_DAYS),
        )
        name = f"{self._name}-{use}"
        return storage.Bucket(
            name,
            location=self._region.upper(),
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            # What nobody may delete has no second version, and Cloud Storage takes one of both only.
            versioning=storage.BucketVersioningArgs(enabled=True) if kept is None else None,
            retention_policy=kept,
            soft_delete_policy=storage.BucketSoftDeletePolicyArgs(
                retention_duration_seconds=DELETED_DAYS * DAY_SECONDS
            ),
            encryption=storage.BucketEncryptionArgs(default_kms_key_name=self._key),
            logging=storage.BucketLoggingArgs(log_bucket=logs.name, log_object_prefix=name) if logs else None,
            lifecycle_rules=[broken, *([rule] if rule else [])],
            # What is not protected goes whole, with what is in it.
            force_destroy=not self._protected,
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(protect=self._protected)),
        )


def _replaced() -> gcp.storage.BucketLifecycleRuleArgs:
    return storage.BucketLifecycleRuleArgs(
        action=storage.BucketLifecycleRuleActionArgs(type="Delete"),
        condition=storage.BucketLifecycleRuleConditionArgs(days_since_noncurrent_time=OLD_VERSIONS_DAYS),
    )


def _after(days: int) -> gcp.storage.BucketLifecycleRuleArgs:
    return storage.BucketLifecycleRuleArgs(
        action=storage.BucketLifecycleRuleActionArgs(type="Delete"),
        condition=storage.BucketLifecycleRuleConditionArgs(age=days),
    )
