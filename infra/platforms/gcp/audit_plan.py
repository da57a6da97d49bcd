"""The bucket for the audit of a site on Google Cloud: gateways copy what they have written there, and nobody takes it
back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.plan.in_cluster import AUDIT_BUCKET_PLACE
from infra.platforms.base import SiteRequest
from infra.platforms.gcp.config import GcpSettings

PREFIX = "audit/"


@dataclass(frozen=True, kw_only=True)
class AuditBucketPlan:
    """What is put there cannot be changed or deleted for `days`. `locked`: nobody ever makes that shorter, not even the
    owner; else whoever may change the bucket can."""

    locked: bool
    days: int
    prefix: str = PREFIX

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        for_ever = "for ever as it is" if self.locked else "which its owner can change"
        return f"in a bucket of the site, each object kept for {self.days} days, {for_ever}"


def audit_bucket_plan(settings: GcpSettings, gateway: Mapping[str, Any]) -> AuditBucketPlan | None:
    """None where nothing is kept, or where it goes to somebody else's bucket."""
    audit = gateway.get("audit")
    if audit is None or "object_store" in audit:
        return None
    return AuditBucketPlan(locked=settings.audit_bucket.locked, days=settings.audit_bucket.days)


def with_audit_bucket(request: SiteRequest, bucket: AuditBucketPlan | None) -> SiteRequest:
    """The site, with gateways that copy to it. It is the bucket that keeps what comes: they need no right to do so."""
    if bucket is None:
        return request
    audit = {**request.gateway["audit"], "object_store": object_store(bucket)}
    return replace(request, gateway={**request.gateway, "audit": audit})


def object_store(bucket: AuditBucketPlan) -> dict[str, Any]:
    """As the gateway's file names it, with a place for the bucket's name. It has no key: a gateway shows who it is."""
    return {
        "kind": "gcs",
        "url": f"https://storage.googleapis.com/{AUDIT_BUCKET_PLACE}",
        "region": "auto",
        "prefix": bucket.prefix,
    }
