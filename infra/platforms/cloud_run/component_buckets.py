"""Deploys the buckets of a site on Cloud Run: for weights, which are fetched once, and for the audit, which stays."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.cloud_run.site_plan import AuditBucketPlan

storage = gcp.storage
DAY_SECONDS = 86_400
# Weights are found again where they came from; a version that was replaced is kept for the way back.
OLD_WEIGHTS_DAYS, DELETED_SECONDS = 30, 7 * DAY_SECONDS
# Puts objects, and can neither read, replace nor delete them.
WRITES_ONLY = "roles/storage.objectCreator"


class Weights(pulumi.ComponentResource):
    """Owns the bucket that one account fills and the other one reads."""

    def __init__(
        self,
        name: str,
        *,
        region: str,
        key_id: pulumi.Input[str],
        protected: bool,
        writer: pulumi.Input[str],
        reader: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:Weights", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket = storage.Bucket(
            name,
            location=region,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            encryption=storage.BucketEncryptionArgs(default_kms_key_name=key_id),
            versioning=storage.BucketVersioningArgs(enabled=True),
            soft_delete_policy=storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=DELETED_SECONDS),
            lifecycle_rules=[
                storage.BucketLifecycleRuleArgs(
                    action=storage.BucketLifecycleRuleActionArgs(type="Delete"),
                    condition=storage.BucketLifecycleRuleConditionArgs(
                        days_since_noncurrent_time=OLD_WEIGHTS_DAYS, with_state="ARCHIVED"
                    ),
                )
            ],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protected)),
        )
        rights = {"fills": ("roles/storage.objectUser", writer), "reads": ("roles/storage.objectViewer", reader)}
        self.granted: dict[str, pulumi.Resource] = {
            what: storage.BucketIAMMember(f"{name}-{what}", bucket=bucket.name, role=role, member=member, opts=child)
            for what, (role, member) in rights.items()
        }
        self.bucket = bucket.name
        self.register_outputs({"bucket": self.bucket})


class Audit(pulumi.ComponentResource):
    """Owns the bucket that keeps what comes, and the account that puts it there, with the keys of that account: the
    store's protocol knows no other identity. Both are known to the gateway alone."""

    def __init__(
        self,
        name: str,
        plan: AuditBucketPlan,
        *,
        account_id: str,
        region: str,
        key_id: pulumi.Input[str],
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:Audit", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protected))
        bucket = storage.Bucket(
            name,
            location=region,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            encryption=storage.BucketEncryptionArgs(default_kms_key_name=key_id),
            retention_policy=storage.BucketRetentionPolicyArgs(
                retention_period=str(plan.days * DAY_SECONDS), is_locked=plan.locked
            ),
            # Who asked what of which model is not to go with what served it.
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(retain_on_delete=True)),
        )
        account = gcp.serviceaccount.Account(
            name, account_id=account_id, description="Puts the audit of gateways into its bucket", opts=child
        )
        self.granted = storage.BucketIAMMember(
            f"{name}-puts", bucket=bucket.name, role=WRITES_ONLY, member=account.member, opts=child
        )
        keys = storage.HmacKey(
            name,
            service_account_email=account.email,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(additional_secret_outputs=["secret"])),
        )
        self.access_key, self.secret_key = pulumi.Output.secret(keys.access_id), pulumi.Output.secret(keys.secret)
        self.bucket = bucket.name
        self.register_outputs({"bucket": self.bucket})
