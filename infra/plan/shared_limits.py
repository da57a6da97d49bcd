"""The store in which the gateways of a site count together: a Valkey of the site, in its cluster or beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SharedLimitsPlan:
    """A Valkey in the cluster: one pod. Its volume keeps budgets of months over restarts."""

    image: str | None
    cpu_request: str = "100m"
    cpu_limit: str = "1"
    memory: str = "256Mi"
    volume_size: str = "1Gi"
