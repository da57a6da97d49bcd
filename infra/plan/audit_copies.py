"""Where a site's copies of its audit go: many sites share a bucket, and each has its own place in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.topologies.rollout import SITE


def with_copies_of(site: str, gateway: Mapping[str, Any]) -> Mapping[str, Any]:
    """The gateway's configuration with the site's name where the copies' prefix asks for it; itself where it does not,
    so that sites that are alike go on sharing it."""
    audit: Mapping[str, Any] = gateway.get("audit") or {}
    store: Mapping[str, Any] | None = audit.get("object_store")
    prefix: str = store.get("prefix", "") if store else ""
    if store is None or SITE not in prefix:
        return gateway
    return {**gateway, "audit": {**audit, "object_store": {**store, "prefix": prefix.replace(SITE, site)}}}
