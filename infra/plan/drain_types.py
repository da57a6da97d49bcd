"""The words of a drain: how long each layer may take to end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DrainPlan:
    """How long each layer may take to end, in seconds; all follow from the longest generation and wait before it. The
    last three are None where there is no such layer."""

    longest_generation_seconds: int
    longest_wait_seconds: int
    engine_shutdown_seconds: int
    gateway_grace_seconds: int
    process_group_grace_seconds: int
    pod_grace_seconds: int | None = None
    load_balancer_deregistration_seconds: int | None = None
    node_grace_seconds: int | None = None


@dataclass(frozen=True, kw_only=True)
class SiteDrain:
    """How long each layer of a site with pods and a load balancer may take to end, in seconds."""

    pod_grace_seconds: int
    gateway_grace_seconds: int
    load_balancer_deregistration_seconds: int
    node_grace_seconds: int
    guaranteed: bool
