"""What runs inside a cluster, whoever made the cluster: engines, gateways, and how long each layer may take to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from infra.naming import normalised
from infra.plan.client_keys import KEYS_OF_STACK, ClientKeySource
from infra.plan.cluster_facts import NOTHING_MORE, ClusterFacts
from infra.plan.dashboards import dashboards
from infra.plan.drain_ladder import DrainLadder, DrainRequest, drain_ladder
from infra.plan.engine_pod import EnginePod, engine_pod
from infra.plan.flows import LIMITS_BESIDE, Flow, flows, group_flows
from infra.plan.gateway_pods import GatewayPods, gateway_pods, own_limits_store
from infra.plan.in_cluster import ENGINE, GATEWAY, MAKING, SHARED_LIMITS, TRIAL
from infra.plan.making_pods import MakingPod, making_pods
from infra.plan.missing_images import missing_images
from infra.plan.monitoring import MonitoringPlan, Scraped, monitoring_plan
from infra.plan.node_groups import NodeGroups, node_groups
from infra.plan.one_pod import beside_gateway
from infra.plan.release_pods import ReleasePod, no_keys, release_pod
from infra.plan.scaling import ScalingPlan, scaling_plan
from infra.plan.shared_limits import SharedLimitsPlan
from infra.plan.site_drain import model_drain, site_drain_plan
from infra.plan.trial_pods import TrialPod, trial_pods
from infra.plan.types import Accelerator, ContainerSpec, DrainPlan, ModelPlan, Replicas, Weights
from infra.plan.very_object import VeryObject
from infra.plan.weights_volume import WeightsVolume, weights_volume
from infra.platforms.base import EngineAddress, SiteRequest
from infra.problems import Problem

LEADER_WORKER_SET = "leaderworkerset.x-k8s.io/v1"
# Fixed in a container: it has its own network, and what it reads and writes is mounted there.
IN_A_SERVICE = EngineAddress(
    host="0.0.0.0",  # noqa: S104 - who reaches it is the platform's to say
    port="8000",
    weights_path="/weights/{model}",
    key_file="/run/secrets/engine/key",
    # Filled by the launcher, which is in the container too and knows how many processors it has.
    threads="{threads}",
    containers=True,
    further_weights_path="/weights",
)
# The launcher beside it is its door: nothing outside of the pod has a way to the engine itself.
IN_A_CONTAINER = replace(IN_A_SERVICE, host="127.0.0.1")


@dataclass(frozen=True, kw_only=True)
class EnginePlan:
    """The replicas of one model on one site, and nothing of other sites. `name` is its object's name, `pool` the node
    pool or kind of node. `scaling` is None where the number of replicas never changes, `groups` where
    each has one node. One that is `beside_gateway` is a container of the gateway's only pod."""

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
    groups: NodeGroups | None
    beside_gateway: bool

    @property
    def origin(self) -> str | None:
        """Where its API is for a gateway in the same pod; None where it has pods of its own."""
        return f"http://127.0.0.1:{self.container.ports['http']}" if self.beside_gateway else None

    @property
    def scaled(self) -> tuple[str, str, str]:
        """API version, kind and name of what has the number of replicas."""
        if self.groups:
            return (LEADER_WORKER_SET, "LeaderWorkerSet", self.groups.name)
        return ("apps/v1", "Deployment", self.name)


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """All that runs inside. `gateway` is the content of the gateway's file. `shared_limits` is None where one gateway
    counts for itself, or several in a store of the user's or in one that the platform makes beside the cluster
    (`limits_beside`). `parties` are labels of pods, by the names that `flows` has for them, beside those that every
    site has."""

    namespace: str
    zones: tuple[str, ...]
    engines: Mapping[str, EnginePlan]
    gateways: int
    gateway: Mapping[str, Any]
    gateway_pods: GatewayPods
    shared_limits: SharedLimitsPlan | None
    limits_beside: bool
    flows: tuple[Flow, ...]
    parties: Mapping[str, Mapping[str, str]]
    monitoring: MonitoringPlan | None
    trials: tuple[TrialPod, ...]
    makings: tuple[MakingPod, ...]
    releases: ReleasePod | None
    drain: DrainLadder

    @property
    def count_together(self) -> bool:
        """Whether gateways have the address of a store of limits that is the site's own."""
        return self.limits_beside or self.shared_limits is not None

    @property
    def finds_engines(self) -> bool:
        """Whether gateways ask the cluster where engines are."""
        return any(not engine.beside_gateway for engine in self.engines.values())


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

    @property
    def keys_are_ours(self) -> bool:
        """Whether the stack makes clients' keys for it."""
        return self.serving.gateway_pods.keys.made_by_us

    @property
    def secrets_of_stack(self) -> tuple[str, ...]:
        """Which of the gateways' secrets the stack writes."""
        pods = self.serving.gateway_pods
        return pods.secret_names if pods.secrets.made_by_us else ()

    @property
    def dashboards(self) -> Mapping[str, Any]:
        """Grafana's, by file name, where somebody keeps the site's metrics."""
        kept = self.serving.monitoring
        return dashboards(self.serving.namespace, kept.kv_metrics, releases=kept.releases) if kept else {}

    @property
    def missing(self) -> tuple[Problem, ...]:
        """What must be said before it can be deployed."""
        plan = self.serving
        engines = {name: engine.container.image for name, engine in plan.engines.items()}
        others = {"valkey": plan.shared_limits.image} if plan.shared_limits else {}
        keys = () if self.keys_are_ours else no_keys(plan.gateway)
        return (*missing_images(plan.gateway_pods, engines, others), *keys)


def serving_plan(
    request: SiteRequest,
    namespace: str,
    drain: DrainRequest,
    zones: tuple[str, ...] = (),
    keys: ClientKeySource = KEYS_OF_STACK,
    cluster: ClusterFacts = NOTHING_MORE,
) -> ServingPlan:
    """What a site's cluster runs."""
    ladder = drain_ladder(drain)
    pods = gateway_pods(request, ladder, keys, audit_on_one_node=cluster.audit_on_one_node)
    counts_here = request.gateways > 1 and "limits_store" not in request.gateway
    inside = counts_here and not cluster.limits_store
    store = (SHARED_LIMITS if inside else LIMITS_BESIDE) if counts_here else None
    together = pods.replicas.max if counts_here else None
    gateway = _in_pods(VeryObject(request.gateway), together, by_identity=cluster.limits_by_identity)
    engines = {name: _engine(request, name, gateway, ladder, cluster) for name in request.models}
    # Of keys that others keep, the stack knows hashes at most.
    ours = pods.keys.made_by_us
    trials = tuple(trial_pods(request.trials, request.models)) if ours else ()
    makings = tuple(making_pods(request.makings, request.models, engines, cluster)) if ours else ()
    asking = [job for job, found in ((TRIAL, trials), (MAKING, makings)) if found]
    parties = {name: own for engine in engines.values() if engine.groups for name, own in engine.groups.groups.items()}
    return ServingPlan(
        namespace=namespace,
        zones=zones,
        engines=engines,
        gateways=request.gateways,
        gateway=gateway,
        gateway_pods=pods,
        shared_limits=SharedLimitsPlan(image=request.images.get("valkey")) if inside else None,
        limits_beside=counts_here and not inside,
        flows=(*flows(gateway, store, together=request.together, asking=asking), *group_flows(parties)),
        parties=parties,
        monitoring=monitoring_plan(
            namespace,
            request.models,
            {name: scraped(engine) for name, engine in engines.items()},
            request.replicas,
            gateway,
        )
        if cluster.prometheus
        else None,
        trials=trials,
        makings=makings,
        releases=release_pod(gateway, request.trials, request.models),
        drain=ladder,
    )


@lru_cache(maxsize=64)
def _in_pods(content: VeryObject[Mapping[str, Any]], counting: int | None, *, by_identity: bool) -> Mapping[str, Any]:
    """The gateways' file where they are pods, and one for all the sites that have the same. `counting` are the gateways
    that count together in a store of the site's own."""
    # The front door ends TLS, with a certificate of its own.
    kept = {name: value for name, value in content.value.items() if name != "tls"}
    return kept if counting is None else {**kept, "limits_store": own_limits_store(counting, by_identity=by_identity)}


def serving_summary(plan: ServingPlan) -> dict[str, str]:
    """What a reader of the plan wants to know of the pods."""
    pods, audit = plan.gateway_pods, plan.gateway_pods.audit
    found = {"gateway pods": f"{pods.replicas.min} to {pods.replicas.max}, ending within {pods.grace_seconds} s"}
    if plan.limits_beside:
        found["limits"] = "counted together over all zones; while the store is away, each gateway has its part"
    if plan.shared_limits:
        found["limits"] = "counted together in a Valkey of the site; while it is away, each gateway has its part"
    if audit:
        where = f"volume of {audit.size}" if audit.volume else "object store, by way of the pod's disk"
        found |= kept_audit(plan, where)
    return found


def kept_audit(plan: ServingPlan, where: str | None) -> dict[str, str]:
    """Where a site keeps its audit, and what of it may be lost; nothing where it has no place of its own for it."""
    audit = plan.gateway_pods.audit
    return {"audit": f"{where}; a node that is lost takes {audit.lost} with it"} if audit and where else {}


def in_transit(plan: ServingPlan) -> str:
    """What crosses the cluster's network, for a reader of the plan."""
    beside = any(engine.beside_gateway for engine in plan.engines.values())
    inside = "inside one pod" if beside else "TLS 1.3 by the site's own authority"
    said = f"gateway to engine: {inside}; front door to gateway: plain HTTP"
    if plan.limits_beside:
        return f"{said}; gateway to its store of limits: TLS"
    return f"{said}; gateway to its store of limits: plain" if plan.shared_limits else said


def _engine(
    request: SiteRequest, name: str, gateway: Mapping[str, Any], ladder: DrainLadder, cluster: ClusterFacts
) -> EnginePlan:
    model, replicas, own = request.models[name], request.replicas[name], f"engine-{normalised(name)}"
    ends, weights, pod = _wherever_it_runs(name, own, VeryObject(model), replicas, ladder, cluster)
    pod = beside_gateway(pod) if request.together else pod
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
        pod=pod,
        weights_volume=weights,
        # One pod, and never another number.
        scaling=None
        if request.together
        else scaling_plan(name, model, replicas, gateway, ladder.gateway_grace_seconds, cluster),
        groups=node_groups(name, own, model, replicas, pod),
        beside_gateway=request.together,
    )


def scraped(engine: EnginePlan) -> Scraped:
    """The pods in which an engine is."""
    component, name = (GATEWAY, GATEWAY) if engine.beside_gateway else (ENGINE, engine.name)
    return Scraped(monitor=engine.name, component=component, name=name, port=engine.pod.watched_port_name)


@lru_cache(maxsize=4096)
def _wherever_it_runs(
    name: str, own: str, same: VeryObject[ModelPlan], replicas: Replicas, ladder: DrainLadder, cluster: ClusterFacts
) -> tuple[DrainPlan, WeightsVolume, EnginePod]:
    """What depends on nothing else of a site. A thousand small ones are alike: decided once, it is most of their plan's
    time and memory."""
    ends = model_drain(same.value, (site_drain_plan(ladder),))
    weights = weights_volume(name, own, same.value, cluster)
    return ends, weights, engine_pod(name, same.value, replicas, ends, weights)


def pool_name(model: ModelPlan) -> str:
    """The kind of node that a model runs on: `l4-1`, `h100-8`, or `processors`."""
    accelerator = model.accelerator
    return "processors" if accelerator is None else f"{accelerator.type.lower()}-{accelerator.count}"
