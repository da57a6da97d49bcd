"""The bucket for the audit of a site on AWS: gateways copy what they have written there, and nobody takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.plan.in_cluster import AUDIT_BUCKET_PLACE
from infra.platforms.aws.config import AwsSettings
from infra.platforms.base import SiteRequest

PREFIX = "audit/"


@dataclass(frozen=True, kw_only=True)
class AuditBucketPlan:
    """What is put below `prefix` cannot be changed or deleted for `days`, whoever asks (`compliance`), or unless who
    asks has a right of its own (`governance`)."""

    mode: str
    days: int
    prefix: str = PREFIX

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        return f"in a bucket of the site, each object locked for {self.days} days ({self.mode})"


def audit_bucket_plan(settings: AwsSettings, gateway: Mapping[str, Any]) -> AuditBucketPlan | None:
    """None where nothing is kept, where it goes to somebody else's bucket, or where a volume is wanted."""
    audit, wanted = gateway.get("audit"), settings.audit_bucket
    if audit is None or "object_store" in audit or wanted is None:
        return None
    return AuditBucketPlan(mode=wanted.mode, days=wanted.days)


def with_audit_bucket(request: SiteRequest, bucket: AuditBucketPlan | None) -> SiteRequest:
    """The site, with gateways that copy to it. It is the bucket that locks what comes: they need no right to do so."""
    if bucket is None:
        return request
    region = request.settings.region
    store = {
        "kind": "s3",
        "url": f"https://{AUDIT_BUCKET_PLACE}.s3.{region}.amazonaws.com",
        "region": region,
        "prefix": bucket.prefix,
    }
    return replace(request, gateway={**request.gateway, "audit": {**request.gateway["audit"], "object_store": store}})
