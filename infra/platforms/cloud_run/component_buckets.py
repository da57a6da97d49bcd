"""Deploys the buckets of a site on Cloud Run: for weights, which are fetched once, and for the audit, which stays."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.platforms.gcp.component_private_bucket import private_bucket, replaced
from infra.platforms.gcp.identity_plan import ADDS, FILLS, READS

storage = gcp.storage


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
        bucket = private_bucket(name, region=region, key=key_id, protected=protected, opts=child, rules=[replaced()])
        rights = {"fills": (FILLS, writer), "reads": (READS, reader)}
        self.granted: dict[str, pulumi.Resource] = {
            what: storage.BucketIAMMember(f"{name}-{what}", bucket=bucket.name, role=role, member=member, opts=child)
            for what, (role, member) in rights.items()
        }
        self.bucket = bucket.name
        self.register_outputs({"bucket": self.bucket})


class Audit(pulumi.ComponentResource):
    """Owns the bucket that keeps what comes, and the right of the service's own identity to put something there: no key
    is made, and none can be lost."""

    def __init__(
        self,
        name: str,
        plan: AuditBucketPlan,
        *,
        region: str,
        key_id: pulumi.Input[str],
        protected: bool,
        writer: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:Audit", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        bucket = private_bucket(
            name,
            region=region,
            key=key_id,
            protected=protected,
            # Who asked what of which model is not to go with what served it.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(retain_on_delete=True)),
            kept=plan,
        )
        self.granted = storage.BucketIAMMember(f"{name}-puts", bucket=bucket.name, role=ADDS, member=writer, opts=child)
        self.bucket = bucket.name
        self.register_outputs({"bucket": self.bucket})
