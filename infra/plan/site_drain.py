"""How long each layer of a site may take to end: what the drain ladder is asked, and what a plan says of its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.drain_caps import FrontDoor, Nodes
from infra.plan.drain_ladder import (
    KEEP_ALIVE_MARGIN_SECONDS,
    PRE_STOP_SECONDS,
    DrainLadder,
    DrainRequest,
    drain_ladder,
    drain_warnings,
    engine_margin,
    slowest_engine,
)
from infra.plan.types import DrainPlan, ModelPlan, SiteDrain, SitePlan
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


def site_drain_plan(ladder: DrainLadder) -> SiteDrain:
    """The times of a site's layers alone."""
    return SiteDrain(
        pod_grace_seconds=ladder.pod_grace_seconds,
        gateway_grace_seconds=ladder.gateway_grace_seconds,
        load_balancer_deregistration_seconds=ladder.load_balancer_deregistration_seconds,
        node_grace_seconds=ladder.node_grace_seconds,
        guaranteed=ladder.guaranteed,
    )


def with_site_drain(models: Mapping[str, ModelPlan], sites: Mapping[str, SitePlan]) -> dict[str, ModelPlan]:
    """Each model with what its sites' layers take: its own pod's time, and of the layers that it shares with others
    the longest of any of its sites."""
    found: dict[str, ModelPlan] = {}
    for name, model in models.items():
        drains = [drain for site in model.sites if (drain := sites[site].drain)]
        found[name] = replace(model, drain=model_drain(model, drains)) if drains else model
    return found


def model_drain(model: ModelPlan, drains: Sequence[SiteDrain]) -> DrainPlan:
    """A model's drain at these sites."""
    return _widened(model.drain, model.engine, frozenset(drains))


@lru_cache(maxsize=4096)
def _widened(own: DrainPlan, engine: str, drains: frozenset[SiteDrain]) -> DrainPlan:
    """Each once, however many models and sites have it."""
    return replace(
        own,
        pod_grace_seconds=PRE_STOP_SECONDS + own.longest_generation_seconds + engine_margin(engine),
        gateway_grace_seconds=max(own.gateway_grace_seconds, *(drain.gateway_grace_seconds for drain in drains)),
        load_balancer_deregistration_seconds=max(drain.load_balancer_deregistration_seconds for drain in drains),
        node_grace_seconds=max(drain.node_grace_seconds for drain in drains),
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
