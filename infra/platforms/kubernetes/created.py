"""Every kind of object that a site's deployment makes or reads, decided from its plan: what a cluster must serve, and
what whoever deploys must be allowed to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.plan.client_keys import KeysByDriver, KeysInStore
from infra.plan.scaling import ScalingPlan
from infra.plan.serving import LEADER_WORKER_SET
from infra.platforms.kubernetes.plan import KubernetesSitePlan

Condition = Callable[[KubernetesSitePlan], bool]
# Pulumi reads, watches until it is ready, applies, which may create, and deletes.
MADE = ("get", "list", "watch", "create", "patch", "delete")
READ = ("get", "list", "watch")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """As the API addresses it. `controller` is whose kind it is, None for Kubernetes' own."""

    api_version: str
    kind: str
    resource: str
    namespaced: bool = True
    controller: str | None = None
    verbs: tuple[str, ...] = MADE

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def shown(self) -> str:
        """As `kubectl` has it."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


def _always(plan: KubernetesSitePlan) -> bool:
    del plan
    return True


def _front_door(kind: str) -> Condition:
    return lambda plan: plan.front_door is not None and plan.front_door.kind == kind


def _keys(kind: type) -> Condition:
    return lambda plan: isinstance(plan.serving.gateway_pods.keys, kind)


def _scaled_by(kind: str) -> Condition:
    return lambda plan: bool(_scaling(plan, kind))


def _scaling(plan: KubernetesSitePlan, kind: str) -> list[ScalingPlan]:
    return [e.scaling for e in plan.serving.engines.values() if e.scaling is not None and e.scaling.kind == kind]


def _gateways_scale(plan: KubernetesSitePlan) -> bool:
    replicas = plan.serving.gateway_pods.replicas
    return replicas.max > replicas.min


def scaled_by_load(plan: KubernetesSitePlan) -> bool:
    """Whether anything follows what pods use of processors."""
    return _gateways_scale(plan) or _scaled_by("horizontal_pod_autoscaler")(plan)


def _stays_up(plan: KubernetesSitePlan) -> bool:
    engines = plan.serving.engines.values()
    return plan.serving.gateway_pods.replicas.min > 1 or any(e.pod.disruptions is not None for e in engines)


def _shows_a_key(plan: KubernetesSitePlan) -> bool:
    return any(scaling.key_secret for scaling in _scaling(plan, "keda"))


def _volumes(plan: KubernetesSitePlan) -> bool:
    audit = plan.serving.gateway_pods.audit
    return (audit is not None and audit.volume is not None) or _filled(plan) or bool(plan.serving.makings)


def _filled(plan: KubernetesSitePlan) -> bool:
    return any(engine.weights_volume.filled_by_job for engine in plan.serving.engines.values())


def _claims(plan: KubernetesSitePlan) -> bool:
    return any(choice.claim for choice in plan.nodes.values())


def _looks_for_engines(plan: KubernetesSitePlan) -> bool:
    """A gateway with its engine in its own pod asks nobody where engines are."""
    return any(not engine.beside_gateway for engine in plan.serving.engines.values())


def _asks(plan: KubernetesSitePlan) -> bool:
    return bool(plan.serving.trials or plan.serving.makings)


def _asks_the_api(plan: KubernetesSitePlan) -> bool:
    return _looks_for_engines(plan) or plan.serving.releases is not None


def _monitored(plan: KubernetesSitePlan) -> bool:
    return plan.serving.monitoring is not None


_RBAC, _GATEWAY = "rbac.authorization.k8s.io/v1", "gateway.networking.k8s.io/v1"
_MONITORING, _KEDA = "monitoring.coreos.com/v1", "keda.sh/v1alpha1"
_PROMETHEUS = "Prometheus operator"
KINDS: tuple[tuple[Kind, Condition], ...] = (
    (Kind(api_version="v1", kind="Namespace", resource="namespaces", namespaced=False), _always),
    (
        Kind(api_version="scheduling.k8s.io/v1", kind="PriorityClass", resource="priorityclasses", namespaced=False),
        _always,
    ),
    (Kind(api_version="v1", kind="ServiceAccount", resource="serviceaccounts"), _always),
    (Kind(api_version="v1", kind="Service", resource="services"), _always),
    (Kind(api_version="v1", kind="Secret", resource="secrets"), _always),
    (Kind(api_version="v1", kind="ConfigMap", resource="configmaps"), _always),
    (Kind(api_version="v1", kind="ResourceQuota", resource="resourcequotas"), _always),
    (Kind(api_version="v1", kind="LimitRange", resource="limitranges"), _always),
    (Kind(api_version="v1", kind="PersistentVolumeClaim", resource="persistentvolumeclaims"), _volumes),
    (Kind(api_version="apps/v1", kind="Deployment", resource="deployments"), _always),
    (
        Kind(
            api_version=LEADER_WORKER_SET,
            kind="LeaderWorkerSet",
            resource="leaderworkersets",
            controller="LeaderWorkerSet",
        ),
        lambda plan: any(engine.groups for engine in plan.serving.engines.values()),
    ),
    (
        Kind(api_version="apps/v1", kind="StatefulSet", resource="statefulsets"),
        lambda plan: plan.serving.shared_limits is not None,
    ),
    (Kind(api_version="batch/v1", kind="Job", resource="jobs"), _filled),
    (Kind(api_version="batch/v1", kind="CronJob", resource="cronjobs"), _asks),
    (Kind(api_version="policy/v1", kind="PodDisruptionBudget", resource="poddisruptionbudgets"), _stays_up),
    (
        Kind(api_version="autoscaling/v2", kind="HorizontalPodAutoscaler", resource="horizontalpodautoscalers"),
        scaled_by_load,
    ),
    (Kind(api_version=_RBAC, kind="Role", resource="roles"), _asks_the_api),
    (Kind(api_version=_RBAC, kind="RoleBinding", resource="rolebindings"), _asks_the_api),
    (Kind(api_version="networking.k8s.io/v1", kind="NetworkPolicy", resource="networkpolicies"), _always),
    (Kind(api_version="networking.k8s.io/v1", kind="Ingress", resource="ingresses"), _front_door("Ingress")),
    (Kind(api_version="resource.k8s.io/v1", kind="ResourceClaimTemplate", resource="resourceclaimtemplates"), _claims),
    (
        Kind(api_version=_GATEWAY, kind="Gateway", resource="gateways", controller="Gateway API"),
        _front_door("Gateway"),
    ),
    (
        Kind(api_version=_GATEWAY, kind="HTTPRoute", resource="httproutes", controller="Gateway API"),
        _front_door("Gateway"),
    ),
    (
        Kind(api_version="cert-manager.io/v1", kind="Certificate", resource="certificates", controller="cert-manager"),
        lambda plan: plan.front_door is not None and plan.front_door.tls_issuer is not None,
    ),
    (
        Kind(api_version=_KEDA, kind="ScaledObject", resource="scaledobjects", controller="KEDA"),
        _scaled_by("keda"),
    ),
    (
        Kind(api_version=_KEDA, kind="TriggerAuthentication", resource="triggerauthentications", controller="KEDA"),
        _shows_a_key,
    ),
    (Kind(api_version=_MONITORING, kind="PodMonitor", resource="podmonitors", controller=_PROMETHEUS), _monitored),
    (
        Kind(api_version=_MONITORING, kind="PrometheusRule", resource="prometheusrules", controller=_PROMETHEUS),
        _monitored,
    ),
    (
        Kind(
            api_version="external-secrets.io/v1",
            kind="ExternalSecret",
            resource="externalsecrets",
            controller="External Secrets",
        ),
        _keys(KeysInStore),
    ),
    (
        Kind(
            api_version="secrets-store.csi.x-k8s.io/v1",
            kind="SecretProviderClass",
            resource="secretproviderclasses",
            controller="Secrets Store CSI driver",
        ),
        _keys(KeysByDriver),
    ),
)
# Pulumi waits for pods and tells why they are not ready; who grants the gateway to read slices must be able to itself.
READ_TOO: tuple[Kind, ...] = (
    Kind(api_version="v1", kind="Pod", resource="pods", verbs=READ),
    Kind(api_version="v1", kind="Event", resource="events", verbs=READ),
    Kind(api_version="apps/v1", kind="ReplicaSet", resource="replicasets", verbs=READ),
    Kind(api_version="discovery.k8s.io/v1", kind="EndpointSlice", resource="endpointslices", verbs=READ),
)


def created(plan: KubernetesSitePlan) -> Iterator[Kind]:
    """Kinds of which a site's deployment makes objects."""
    return (kind for kind, needed in KINDS if needed(plan))
