"""A site whose gateway and engine are one pod: what it is, what cannot be in it, and what it cannot promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.engine_pod import EnginePod
from infra.platforms.base import SiteRequest
from infra.problems import Problem, listing

# The gateway's own is called `operations`, and a pod must not have two of that name.
WATCHED_PORT_NAME = "engine"


def beside_gateway(pod: EnginePod) -> EnginePod:
    """As one of the gateway's containers. It has no preStop: it is told to end when the gateway has ended, which is
    after the last answer."""
    return replace(pod, port_name=None, watched_port_name=WATCHED_PORT_NAME, pre_stop_seconds=0, disruptions=None)


def one_pod_problems(request: SiteRequest) -> Iterator[Problem]:
    """What is more than one pod."""
    if not request.together:
        return
    instead = "choose the topology `microservice`, where every model has pods of its own"
    if len(request.models) > 1:
        yield Problem(
            where=dotted(DEPLOYMENT_KEY, ("models",)),
            found=f"{listing(request.models)}, in the topology `monolithic` on the site `{request.site}`",
            allowed="one model: on a cluster, gateway and engine are one pod on one node",
            remedy=f"keep one, or {instead}",
        )
    for name, model in request.models.items():
        if model.nodes > 1:
            yield Problem(
                where=dotted(DEPLOYMENT_KEY, ("models", name, "accelerator", "nodes")),
                found=f"{model.nodes}, in the topology `monolithic`",
                allowed="1: gateway and engine are one pod on one node",
                remedy=f"choose GPUs of which one machine holds it, or {instead}",
            )


def one_pod_warnings(request: SiteRequest) -> Iterator[str]:
    """What nobody promises of one pod."""
    if request.together:
        yield (
            f"site `{request.site}`: gateway and engine are one pod: that it answers while its node is emptied or lost "
            "is not guaranteed here, nor can a disruption budget be (one replica); a change needs room for a second one"
        )
