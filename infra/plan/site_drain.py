"""How long each layer of a site may take to end: what the drain ladder is asked, and what a plan says of its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.drain_caps import FrontDoor, Nodes
from infra.plan.drain_ladder import (
    KEEP_ALIVE_MARGIN_SECONDS,
    DrainLadder,
    DrainRequest,
    drain_ladder,
    drain_warnings,
    slowest_engine,
)
from infra.platforms.base import SiteRequest


def site_drain(request: SiteRequest, front: FrontDoor, nodes: Nodes, *, spot: bool = False) -> DrainRequest:
    """What the longest generation of a site, after the longest wait for it, asks of its place."""
    longest = request.drain.longest_generation_seconds
    own = [name for name, model in request.models.items() if model.drain.longest_generation_seconds == longest]
    return DrainRequest(
        # Without a model of ours that takes so long, it is one of others' that the gateway passes on.
        where=dotted(DEPLOYMENT_KEY, ("models", own[0]) if own else ("remote_models",)),
        longest_generation_seconds=longest,
        engine=slowest_engine({model.engine for model in request.models.values()} or {""}),
        front=front,
        nodes=nodes,
        spot=spot,
        hold_seconds=request.drain.longest_wait_seconds,
    )


def site_drain_warnings(request: SiteRequest, drain: DrainRequest) -> Iterator[str]:
    """What the place never promises, and idle connections that the gateway closes before what is in front of it."""
    for warning in drain_warnings(drain):
        yield f"site `{request.site}`: {warning}"
    kept, safe = _keep_alive(request.gateway), drain_ladder(drain).gateway_keep_alive_seconds
    reused = safe - KEEP_ALIVE_MARGIN_SECONDS
    if kept <= reused:
        yield (
            f"site `{request.site}`: the gateway closes idle connections after {kept} s "
            f"(`gateway.limits.keep_alive_seconds`), and {drain.front.name} uses them again for up to {reused} s: some "
            f"requests fail; {safe} is safe"
        )


def drain_text(ladder: DrainLadder) -> str:
    """For a reader of the plan."""
    return (
        f"engine pod {ladder.pod_grace_seconds} s, gateway {ladder.gateway_grace_seconds} s, load balancer "
        f"{ladder.load_balancer_deregistration_seconds} s, node {ladder.node_grace_seconds} s; idle "
        f"{ladder.load_balancer_idle_seconds} s{'' if ladder.guaranteed else '; NOT GUARANTEED HERE'}"
    )


def _keep_alive(gateway: Any) -> int:
    return gateway["limits"]["keep_alive_seconds"]
