"""What a site needs of its cluster, decided from its plan alone: pods and their nodes, volumes, and things by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.client_keys import KeysByDriver, KeysInSecret, KeysInStore
from infra.plan.nodes import ANY_NODE, NodeChoice
from infra.plan.quota import quota
from infra.platforms.kubernetes.created import Kind, created
from infra.platforms.kubernetes.plan import KubernetesSitePlan
from infra.platforms.kubernetes.quantity import quantity

CSI_DRIVER = "secrets-store.csi.k8s.io"
# Oldest that the namespaces' rules, topology spread and probes of these pods were made for.
LEAST_VERSION = (1, 31)
# Image volumes are on by default since.
IMAGE_VOLUMES_VERSION = (1, 35)


@dataclass(frozen=True, kw_only=True)
class PodsNeed:
    """Pods of one kind: on which nodes, what each asks for, how many there are at rest, and at most while they grow and
    are replaced."""

    name: str
    nodes: NodeChoice
    demand: Mapping[str, float]
    least: int
    most: int


@dataclass(frozen=True, kw_only=True)
class VolumeNeed:
    """A volume that is asked for. `storage_class` None is the cluster's default; `claim` None is one of each pod."""

    what: str
    field: str
    storage_class: str | None
    access_modes: tuple[str, ...]
    claim: str | None


@dataclass(frozen=True, kw_only=True)
class NamedNeed:
    """An object that somebody else makes. `condition` must be true of it; `field` is the setting that names it."""

    what: str
    path: str
    name: str
    condition: str | None
    field: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class ClusterNeeds:
    """Everything that is looked at, before anybody is asked."""

    namespace: str
    kinds: tuple[Kind, ...]
    least_version: tuple[int, int]
    zones: tuple[str, ...]
    pods: tuple[PodsNeed, ...]
    volumes: tuple[VolumeNeed, ...]
    named: tuple[NamedNeed, ...]
    quota: Mapping[str, float]
    images: Mapping[str, str]
    host: str | None
    dns_record: bool
    keda_namespace: str | None
    metrics_apis: tuple[str, ...]


def cluster_needs(plan: KubernetesSitePlan) -> ClusterNeeds:
    """Decides it."""
    serving, door = plan.serving, plan.front_door
    pods = (_gateways(plan), *_engines(plan))
    by_image = any(engine.weights_volume.image for engine in serving.engines.values())
    kinds = tuple(created(plan))
    names = {kind.kind for kind in kinds}
    return ClusterNeeds(
        namespace=serving.namespace,
        kinds=kinds,
        least_version=IMAGE_VOLUMES_VERSION if by_image else LEAST_VERSION,
        zones=serving.zones,
        pods=pods,
        volumes=tuple(_volumes(plan)),
        named=tuple(_named(plan)),
        quota=_quota(plan, pods),
        images=dict(_images(plan)),
        host=door.host if door else None,
        dns_record=door is not None and door.dns_record,
        keda_namespace=plan.keda_namespace if "ScaledObject" in names else None,
        metrics_apis=(
            *(("metrics.k8s.io/v1beta1",) if "HorizontalPodAutoscaler" in names else ()),
            *(("custom.metrics.k8s.io/v1beta1",) if plan.metrics_adapter else ()),
        ),
    )


def _gateways(plan: KubernetesSitePlan) -> PodsNeed:
    pods = plan.serving.gateway_pods
    return PodsNeed(
        name="gateways",
        nodes=ANY_NODE,
        demand={"cpu": quantity(pods.cpu_request), "memory": quantity(pods.memory)},
        least=pods.replicas.min,
        most=pods.replicas.max,
    )


def _engines(plan: KubernetesSitePlan) -> Iterator[PodsNeed]:
    """By pool: engines of one pool share its nodes, and each of them must fit."""
    for pool, choice in plan.nodes.items():
        here = [engine for engine in plan.serving.engines.values() if engine.pool == pool]
        yield PodsNeed(
            name=pool,
            nodes=choice,
            demand={
                "cpu": max(engine.pod.processors for engine in here),
                "memory": max(engine.pod.memory_gib for engine in here) * 2.0**30,
                **{name: float(count) for name, count in choice.resources.items()},
            },
            least=sum(engine.replicas.min for engine in here),
            most=sum(engine.replicas.max + engine.pod.surge for engine in here),
        )


def _volumes(plan: KubernetesSitePlan) -> Iterator[VolumeNeed]:
    audit = plan.serving.gateway_pods.audit
    if audit is not None and audit.volume is not None:
        yield VolumeNeed(
            what="the audit",
            field="storage.audit",
            storage_class=plan.audit_storage_class,
            access_modes=("ReadWriteOnce" if audit.one_node else "ReadWriteMany",),
            claim=audit.volume,
        )
    if plan.serving.shared_limits is not None:
        yield VolumeNeed(
            what="what clients have used",
            field="storage.limits",
            storage_class=plan.limits_storage_class,
            access_modes=("ReadWriteOnce",),
            claim=None,
        )
    for engine in plan.serving.engines.values():
        weights = engine.weights_volume
        if weights.storage_class is not None:
            yield VolumeNeed(
                what=f"weights of {engine.model}",
                field="storage.weights",
                storage_class=weights.storage_class,
                access_modes=weights.access_modes or ("ReadWriteOnce",),
                claim=weights.claim,
            )


def _named(plan: KubernetesSitePlan) -> Iterator[NamedNeed]:
    door, keys, namespace = plan.front_door, plan.serving.gateway_pods.keys, plan.serving.namespace
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    if door is not None:
        kind, path, condition = {
            "Gateway": ("GatewayClass", "/apis/gateway.networking.k8s.io/v1/gatewayclasses", "Accepted"),
            "Ingress": ("IngressClass", "/apis/networking.k8s.io/v1/ingressclasses", None),
        }[door.kind]
        yield NamedNeed(
            what=kind,
            path=path,
            name=door.class_name,
            condition=condition,
            field=f"front_door.{door.kind.lower()}_class",
            remedy="install a controller that brings it",
        )
        if door.tls_issuer is not None:
            yield NamedNeed(
                what="ClusterIssuer",
                path="/apis/cert-manager.io/v1/clusterissuers",
                name=door.tls_issuer,
                condition="Ready",
                field="front_door.tls_issuer",
                remedy="make it: cert-manager's documentation has one for each authority",
            )
        else:
            yield NamedNeed(
                what="Secret",
                path=secrets,
                name=door.tls_secret,
                condition=None,
                field="front_door.tls_secret",
                remedy=f"`kubectl create secret tls {door.tls_secret} -n {namespace} --cert=FILE --key=FILE`",
            )
    if isinstance(keys, KeysInSecret):
        yield NamedNeed(
            what="Secret",
            path=secrets,
            name=keys.name,
            condition=None,
            field="client_keys_from.name",
            remedy=f"`kubectl create secret generic {keys.name} -n {namespace} --from-file=CLIENT=FILE`",
        )
    if isinstance(keys, KeysInStore):
        inside = f"namespaces/{namespace}/" if keys.store_kind == "SecretStore" else ""
        yield NamedNeed(
            what=keys.store_kind,
            path=f"/apis/external-secrets.io/v1/{inside}{keys.store_kind.lower()}s",
            name=keys.store,
            condition="Ready",
            field="client_keys_from.store",
            remedy="make it: External Secrets' documentation has one for each kind of store",
        )
    if isinstance(keys, KeysByDriver):
        yield NamedNeed(
            what="CSIDriver",
            path="/apis/storage.k8s.io/v1/csidrivers",
            name=CSI_DRIVER,
            condition=None,
            field="client_keys_from.kind",
            remedy="install the Secrets Store CSI driver and its provider",
        )
    for claim in {choice.claim.device_class: choice.claim for choice in plan.nodes.values() if choice.claim}.values():
        yield NamedNeed(
            what="DeviceClass",
            path="/apis/resource.k8s.io/v1/deviceclasses",
            name=claim.device_class,
            condition=None,
            field="gpu.sharing",
            remedy="install the GPUs' driver for dynamic resource allocation",
        )
    for field, name in _namespaces(plan):
        yield NamedNeed(
            what="Namespace",
            path="/api/v1/namespaces",
            name=name,
            condition=None,
            field=field,
            remedy="only pods of this namespace may reach the site's pods: name the one where they are",
        )


def _namespaces(plan: KubernetesSitePlan) -> Iterator[tuple[str, str]]:
    """Those that network policies let in."""
    if plan.front_door is not None and plan.front_door.namespace is not None:
        yield "front_door.namespace", plan.front_door.namespace
    if plan.prometheus:
        yield "prometheus_namespace", plan.prometheus_namespace
    if plan.autoscaler == "keda":
        yield "keda_namespace", plan.keda_namespace


def _quota(plan: KubernetesSitePlan, pods: tuple[PodsNeed, ...]) -> Mapping[str, float]:
    """What the namespace takes at rest, as a ResourceQuota counts it, and pods and GPUs at most."""
    most = {
        name: float(value) for name, value in quota(plan.serving, plan.nodes).items() if name != "services.nodeports"
    }
    for resource in ("cpu", "memory"):
        most[f"requests.{resource}"] = math.fsum(one.demand[resource] * one.least for one in pods)
    return most


def _images(plan: KubernetesSitePlan) -> Iterator[tuple[str, str]]:
    serving = plan.serving
    pods = serving.gateway_pods
    if gateway := pods.build.tag if pods.build else pods.image:
        yield "gateway", gateway
    if serving.shared_limits and serving.shared_limits.image:
        yield "valkey", serving.shared_limits.image
    for engine in serving.engines.values():
        yield engine.name, engine.container.image.reference
        if engine.weights_volume.image:
            yield f"weights of {engine.model}", engine.weights_volume.image
