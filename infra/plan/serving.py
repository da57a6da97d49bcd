"""What runs inside a cluster, whoever made the cluster: engines, gateways, and how long each layer may take to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.naming import normalised
from infra.plan.cluster_facts import NOTHING_MORE, ClusterFacts
from infra.plan.drain_ladder import DrainLadder, DrainRequest, drain_ladder
from infra.plan.engine_pod import EnginePod, engine_pod
from infra.plan.scaling import ScalingPlan, scaling_plan
from infra.plan.site_drain import model_drain, site_drain_plan
from infra.plan.types import (
    Accelerator,
    ContainerSpec,
    DrainPlan,
    ModelPlan,
    Replicas,
    Weights,
)
from infra.plan.weights_volume import WeightsVolume, weights_volume
from infra.platforms.base import EngineAddress, SiteRequest

# Fixed in a container: it has its own network, and what it reads and writes is mounted there.
IN_A_CONTAINER = EngineAddress(
    host="0.0.0.0",  # noqa: S104 - only the gateway reaches a pod's port, by network policy
    port="8000",
    weights_path="/weights/{model}",
    key_file="/run/secrets/engine/key",
    # Filled by the launcher, which is in the container too and knows how many processors it has.
    threads="{threads}",
    containers=True,
    further_weights_path="/weights",
)


@dataclass(frozen=True, kw_only=True)
class EnginePlan:
    """The replicas of one model on one site, and nothing of other sites. `name` is its object's name, `pool` the node
    pool or kind of node. `scaling` is None where the number of replicas never changes."""

    name: str
    model: str
    pool: str
    replicas: Replicas
    accelerator: Accelerator | None
    concurrent_requests: int
    weights: Weights
    container: ContainerSpec
    drain: DrainPlan
    pod: EnginePod
    weights_volume: WeightsVolume
    scaling: ScalingPlan | None


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """All that runs inside. `gateway` is the content of the gateway's file."""

    namespace: str
    zones: tuple[str, ...]
    engines: Mapping[str, EnginePlan]
    gateways: int
    gateway: Mapping[str, Any]
    drain: DrainLadder


@dataclass(frozen=True, kw_only=True)
class ServingSite:
    """A site with a cluster, whoever made it: its plan adds what is around `serving`."""

    serving: ServingPlan

    @property
    def gateway_config(self) -> Mapping[str, Any]:
        """The content of the gateway's file."""
        return self.serving.gateway

    @property
    def drain(self) -> DrainLadder:
        """How long each layer may take to end."""
        return self.serving.drain


def serving_plan(
    request: SiteRequest,
    namespace: str,
    drain: DrainRequest,
    zones: tuple[str, ...] = (),
    cluster: ClusterFacts = NOTHING_MORE,
) -> ServingPlan:
    """What a site's cluster runs."""
    ladder = drain_ladder(drain)
    return ServingPlan(
        namespace=namespace,
        zones=zones,
        engines={name: _engine(request, name, ladder, cluster) for name in request.models},
        gateways=request.gateways,
        gateway=request.gateway,
        drain=ladder,
    )


def _engine(request: SiteRequest, name: str, ladder: DrainLadder, cluster: ClusterFacts) -> EnginePlan:
    model, replicas, own = request.models[name], request.replicas[name], f"engine-{normalised(name)}"
    ends = model_drain(model, (site_drain_plan(ladder),))
    weights = weights_volume(name, own, model, cluster)
    return EnginePlan(
        name=own,
        model=name,
        pool=pool_name(model),
        replicas=replicas,
        accelerator=model.accelerator,
        concurrent_requests=model.concurrent_requests,
        weights=model.weights,
        container=model.container,
        drain=ends,
        pod=engine_pod(name, model, replicas, ends, weights),
        weights_volume=weights,
        scaling=scaling_plan(name, model, replicas, request.gateway, ladder.gateway_grace_seconds, cluster),
    )


def pool_name(model: ModelPlan) -> str:
    """The kind of node that a model runs on: `l4-1`, `h100-8`, or `processors`."""
    accelerator = model.accelerator
    return "processors" if accelerator is None else f"{accelerator.type.lower()}-{accelerator.count}"
