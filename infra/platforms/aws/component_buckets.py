"""Deploys a site's buckets: for weights of models, for the audit, and for what others log about the site."""

from __future__ import annotations

import pulumi

from infra.platforms.aws.audit_plan import AuditBucketPlan
from infra.platforms.aws.component_bucket import PrivateBucket
from infra.platforms.aws.identity_plan import AUDIT, MODELS
from infra.platforms.aws.policies import balancer_logs, bucket_logs

# Weights are found again where they came from; a version that was replaced is kept for the way back.
OLD_WEIGHTS_DAYS, OLD_LOGS_DAYS = 30, 7
# After its lock has ended.
OLD_AUDIT_DAYS = 30


class Buckets(pulumi.ComponentResource):
    """Owns all of them. Logs come from services of AWS that encrypt with keys of AWS' own alone."""

    def __init__(
        self,
        name: str,
        *,
        name_prefix: str,
        account: pulumi.Output[str],
        region: str,
        key_arn: pulumi.Input[str],
        keep_logs_days: int,
        audit: AuditBucketPlan | None,
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Buckets", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.logs = PrivateBucket(
            f"{name}-logs",
            name_prefix=f"{name_prefix}logs-",
            key_arn=None,
            logged_to=None,
            old_versions_days=OLD_LOGS_DAYS,
            keep_days=keep_logs_days,
            protected=protected,
            statements=account.apply(lambda of: [balancer_logs(region, of), bucket_logs(of)]),
            opts=child,
        )
        self.models = PrivateBucket(
            f"{name}-models",
            name_prefix=f"{name_prefix}models-",
            key_arn=key_arn,
            logged_to=self.logs.bucket,
            old_versions_days=OLD_WEIGHTS_DAYS,
            keep_days=None,
            protected=protected,
            opts=child,
        )
        self.arns = {MODELS: self.models.arn}
        self.audit: pulumi.Output[str] | None = None
        if audit is not None:
            kept = PrivateBucket(
                f"{name}-audit",
                name_prefix=f"{name_prefix}audit-",
                key_arn=key_arn,
                logged_to=self.logs.bucket,
                old_versions_days=OLD_AUDIT_DAYS,
                keep_days=None,
                protected=protected,
                lock=audit,
                opts=child,
            )
            self.audit, self.arns[AUDIT] = kept.bucket, kept.arn
        self.register_outputs({"models": self.models.bucket})
