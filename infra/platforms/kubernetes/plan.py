"""The plan of a site on a cluster that exists: what runs inside it, on which nodes, and how requests come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.cluster_facts import ClusterFacts
from infra.plan.drain_caps import OWN_INGRESS, OWN_NODES, FrontDoor
from infra.plan.drain_ladder import DrainLadder, DrainRequest, drain_problems
from infra.plan.front_door import FrontDoorPlan
from infra.plan.nodes import ANY_NODE, NodeChoice
from infra.plan.one_pod import one_pod_problems, one_pod_warnings
from infra.plan.serving import IN_A_CONTAINER, ServingSite, in_transit, serving_plan, serving_summary
from infra.plan.site_drain import drain_text, site_drain, site_drain_plan, site_drain_warnings
from infra.plan.start_types import Seen, StartingPlace
from infra.plan.types import Accelerator, SitePlan
from infra.plan.weights_volume import weights_volume_problems
from infra.plan.zone_loss import SinglePoint
from infra.platforms.base import Abilities, OtherPurchase, Range, SiteRequest
from infra.platforms.clusters import inside_problems, inside_warnings
from infra.platforms.gpu_sharing import accelerator_problems, models_on
from infra.platforms.kubernetes.config import FrontDoorSettings, GpuNodes, KubernetesSettings
from infra.platforms.kubernetes.gpu_ladder import ladder_problems, ladder_text, ladder_warnings, whole_gpus
from infra.price.bill import Use
from infra.problems import Problem

PROVISION = Seen(low=0, high=0, source="the node is there; a cluster that adds nodes is not known", as_of="2026-11")
INSIDE = FrontDoor(name="clients inside the cluster", reuse_seconds=0)


@dataclass(frozen=True, kw_only=True)
class KubernetesSitePlan(ServingSite):
    """`nodes` are by the `pool` of an engine. `autoscaler` says what changes the number of replicas."""

    context: str
    kubeconfig_path: str | None
    nodes: Mapping[str, NodeChoice]
    front_door: FrontDoorPlan | None
    weights_storage_class: str | None
    audit_storage_class: str | None
    limits_storage_class: str | None
    autoscaler: str
    prometheus: bool
    metrics_adapter: bool
    prometheus_namespace: str
    keda_namespace: str
    dns_addresses: tuple[str, ...]
    api_server_addresses: tuple[str, ...]


class Kubernetes:
    """Implements the platform `kubernetes`."""

    settings = KubernetesSettings
    is_this_machine = False
    extras = ("kubernetes",)
    component = "infra.platforms.kubernetes.component:KubernetesSite"
    doctor = "infra.platforms.kubernetes.doctor:DOCTOR"
    run_time = "infra.platforms.kubernetes.run_time:RUN_TIME"
    engine_address = IN_A_CONTAINER

    def abilities(self, settings: KubernetesSettings) -> Abilities:
        return Abilities(
            zones=max(1, len(set(settings.zones))),
            scales_to_zero=settings.keda,
            counts_together=True,
            single_points=tuple(_single_points(settings)),
            several_nodes=settings.leader_worker_set,
            why_one_node="without LeaderWorkerSet: install 0.8.0 or newer there and set `leader_worker_set: true`",
            runs_jobs=True,
            endpoint=f"https://{settings.front_door.domain}" if settings.front_door else None,
            tls_ends_at="the cluster's front door",
        )

    def ranges(self, request: SiteRequest) -> Iterator[Range]:
        cidr = request.settings.network_cidr
        if cidr is not None:
            yield Range(field="network_cidr", cidr=cidr)

    def starting_place(self, settings: KubernetesSettings, accelerator: Accelerator | None) -> StartingPlace:
        del accelerator
        return StartingPlace(
            name="this cluster",
            provision=PROVISION,
            # Only what its owner names is known to be there, and what engines compile is kept where they may write.
            can_cache_weights=settings.storage.weights is not None
            and settings.storage.weights_mode == "read_write_many",
            can_keep_spares=True,
        )

    def problems(self, request: SiteRequest) -> Iterator[Problem]:
        settings: KubernetesSettings = request.settings
        where = f"{request.where}.platform"
        if settings.namespace in ("default", "kube-system", "kube-public", "kube-node-lease"):
            yield Problem(
                where=f"{where}.namespace",
                found=f"`{settings.namespace}`",
                allowed="a namespace of its own: what is put there has rules for all of it",
                remedy="choose another name, or leave it out: the default is `slipway`",
            )
        if settings.front_door is not None:
            yield from _front_door_problems(f"{where}.front_door", settings.front_door)
        if settings.storage.audit_mode == "read_write_once" and request.gateways > 1:
            yield Problem(
                where=f"{where}.storage.audit_mode",
                found=f"`read_write_once`, with {request.gateways} gateways",
                allowed="`read_write_many`, which gateways on several nodes can write to",
                remedy="choose that, or leave it out",
            )
        yield from accelerator_problems(f"{where}.gpu.products", settings.gpu.products)
        yield from accelerator_problems(f"{where}.gpu.sharing", settings.gpu.sharing)
        yield from ladder_problems(f"{where}.gpu", settings.gpu, _wanted(request, nodes=2))
        yield from drain_problems(_drain(request))
        yield from one_pod_problems(request)
        yield from inside_problems(request, _facts(settings))
        yield from _engine_problems(request, where, settings)
        wanted = _wanted(request)
        if settings.gpu.products:
            for accelerator in sorted(wanted - {*settings.gpu.products}):
                yield Problem(
                    where=f"{where}.gpu.products",
                    found=f"nothing for `{accelerator}`, which a model needs",
                    allowed=f"the value of `{settings.gpu.label}` for every accelerator",
                    remedy=f"add what `kubectl get nodes -L {settings.gpu.label}` shows",
                )

    def warnings(self, request: SiteRequest) -> Iterator[str]:
        settings: KubernetesSettings = request.settings
        yield from site_drain_warnings(request, _drain(request))
        yield from one_pod_warnings(request)
        for accelerator, sharing in settings.gpu.sharing.items():
            yield from sharing.warnings(models_on(request.models, accelerator))
        yield from ladder_warnings(settings.gpu, _wanted(request))
        yield from inside_warnings(request, _facts(settings))

    def other_purchases(self, settings: KubernetesSettings) -> Iterator[OtherPurchase]:
        del settings
        return iter(())

    def uses(self, request: SiteRequest, plan: SitePlan) -> Iterator[Use]:
        del request, plan
        return iter(())

    def plan(self, request: SiteRequest) -> SitePlan:
        settings: KubernetesSettings = request.settings
        keys, facts = settings.client_keys_from.source, _facts(settings)
        serving = serving_plan(request, settings.namespace, _drain(request), tuple(settings.zones), keys, facts)
        door = _front_door(settings.front_door, request, serving.drain) if settings.front_door else None
        host = f"https://{door.host}" if door else f"http://gateway.{settings.namespace}.svc"
        engines = {engine.pool: engine.accelerator for engine in serving.engines.values()}
        details = KubernetesSitePlan(
            context=settings.context,
            kubeconfig_path=settings.kubeconfig_path,
            serving=serving,
            nodes={
                pool: _nodes(settings.gpu, accelerator.type, accelerator.count) if accelerator else ANY_NODE
                for pool, accelerator in engines.items()
            },
            front_door=door,
            weights_storage_class=settings.storage.weights,
            audit_storage_class=settings.storage.audit,
            limits_storage_class=settings.storage.limits,
            autoscaler="keda" if settings.keda else "horizontal_pod_autoscaler",
            prometheus=settings.prometheus,
            metrics_adapter=settings.metrics_adapter,
            prometheus_namespace=settings.prometheus_namespace,
            keda_namespace=settings.keda_namespace,
            dns_addresses=tuple(settings.addresses.dns),
            api_server_addresses=tuple(settings.addresses.api_server),
        )
        return SitePlan(
            platform="kubernetes",
            endpoint=host,
            models=tuple(request.models),
            replicas=request.replicas,
            gateways=request.gateways,
            drain=site_drain_plan(serving.drain),
            summary={
                "cluster": f"context {settings.context}, namespace {settings.namespace}",
                "front door": f"{door.kind} of class {door.class_name}" if door else "none, inside the cluster only",
                "nodes": ", ".join(
                    pool + (ladder_text(settings.gpu, accelerator.type) if accelerator else "")
                    for pool, accelerator in engines.items()
                ),
                "drain": drain_text(serving.drain),
                "scaled by": details.autoscaler.replace("_", " "),
                **serving_summary(serving),
            },
            security={
                "front door": _certificate(door) if door else "none: reached from inside the cluster only",
                "in transit": in_transit(serving),
            },
            details=details,
        )


def _certificate(door: FrontDoorPlan) -> str:
    made_by = f"of the issuer {door.tls_issuer}" if door.tls_issuer else f"in the secret {door.tls_secret}"
    return f"{door.kind}, over TLS: certificate {made_by}"


def _drain(request: SiteRequest) -> DrainRequest:
    # Who reaches it only from inside has nothing in front that uses connections again.
    front = OWN_INGRESS if request.settings.front_door else INSIDE
    return site_drain(request, front, OWN_NODES)


def _front_door_problems(where: str, door: FrontDoorSettings) -> Iterator[Problem]:
    for one, other in (("gateway_class", "ingress_class"), ("tls_issuer", "tls_secret")):
        given = [name for name in (one, other) if getattr(door, name) is not None]
        if len(given) != 1:
            yield Problem(
                where=where,
                found=f"both `{one}` and `{other}`" if given else f"neither `{one}` nor `{other}`",
                allowed="one of them",
                remedy="remove one" if given else "add the one that this cluster has",
            )


def _front_door(door: FrontDoorSettings, request: SiteRequest, ladder: DrainLadder) -> FrontDoorPlan:
    return FrontDoorPlan(
        kind="Gateway" if door.gateway_class else "Ingress",
        class_name=door.gateway_class or door.ingress_class or "",
        host=door.domain,
        tls_issuer=door.tls_issuer,
        tls_secret=door.tls_secret or "gateway-tls",
        namespace=door.namespace,
        dns_record=door.dns_record,
        idle_seconds=ladder.load_balancer_idle_seconds,
        body_bytes=request.gateway["limits"]["body_bytes"],
    )


def _nodes(gpu: GpuNodes, accelerator: str, count: int) -> NodeChoice:
    whole = whole_gpus(gpu, accelerator, count)
    sharing = gpu.sharing.get(accelerator)
    return sharing.node(whole, gpu.resource.partition("/")[0], count) if sharing else whole


def _facts(settings: KubernetesSettings) -> ClusterFacts:
    return ClusterFacts(
        weights_class=settings.storage.weights,
        weights_mode=settings.storage.weights_mode,
        weight_images=settings.weight_images,
        keda=settings.keda,
        prometheus=settings.prometheus,
        audit_on_one_node=settings.storage.audit_mode == "read_write_once",
    )


def _single_points(settings: KubernetesSettings) -> Iterator[SinglePoint]:
    """The Valkey is none: while it is away, each gateway has its part of every limit."""
    if settings.storage.weights and settings.storage.weights_mode == "read_only_many":
        yield SinglePoint(
            field="storage.weights_mode",
            found="`read_only_many`: one volume for all replicas of a model, which is written from one node, so that "
            "it is mostly in one zone",
            allowed="`read_write_many`, whose file system is every zone's, `node_local`, or no `storage.weights`",
            remedy="choose one of these, or name a `topology.standby`",
        )


def _engine_problems(request: SiteRequest, where: str, settings: KubernetesSettings) -> Iterator[Problem]:
    """What this cluster has not for a model's engine."""
    yield from weights_volume_problems(where, dict(request.models), _facts(settings))
    for accelerator, sharing in settings.gpu.sharing.items():
        yield from sharing.problems(f"{where}.gpu.sharing.{accelerator}", models_on(request.models, accelerator))


def _wanted(request: SiteRequest, nodes: int = 1) -> frozenset[str]:
    """The accelerators of models whose replicas have that many nodes or more."""
    models = request.models.values()
    return frozenset(model.accelerator.type for model in models if model.accelerator and model.nodes >= nodes)


PLATFORM = Kubernetes()
