"""Deploys a site's buckets: for weights of models, for the audit, and for who asked for what is in them."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.platforms.gcp.component_private_bucket import after, private_bucket, replaced
from infra.platforms.gcp.identity_plan import ADDS, AUDIT, MODELS

storage = gcp.storage
LOGS_DAYS = 365
# Who writes the logs of buckets (Cloud Storage documentation, "Usage logs", read 2026-11).
LOGS_WRITER = "group:cloud-storage-analytics@google.com"


class Buckets(pulumi.ComponentResource):
    """Owns them. `names` are known by use."""

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
        logs = self._bucket("logs", None, after(LOGS_DAYS))
        storage.BucketIAMMember(
            f"{name}-logs-writer", bucket=logs.name, role=ADDS, member=LOGS_WRITER, opts=self._child
        )
        self.names = {MODELS: self._bucket(MODELS, logs, replaced()).name}
        if audit is not None:
            self.names[AUDIT] = self._bucket(AUDIT, logs, None, audit).name
        self.register_outputs({"names": self.names})

    def _bucket(
        self,
        use: str,
        logs: gcp.storage.Bucket | None,
        rule: gcp.storage.BucketLifecycleRuleArgs | None,
        kept: AuditBucketPlan | None = None,
    ) -> gcp.storage.Bucket:
        return private_bucket(
            f"{self._name}-{use}",
            region=self._region,
            key=self._key,
            protected=self._protected,
            opts=self._child,
            rules=[rule] if rule else [],
            kept=kept,
            logs=logs.name if logs else None,
            # What is not protected goes whole, with what is in it.
            goes_whole=not self._protected,
        )
