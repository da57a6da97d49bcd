"""The room that everything of a site is in: a namespace whose rules nothing in it can widen."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.network_policies import network_policies
from infra.plan.in_cluster import ENGINE, GATEWAY, MAKING, MODEL_FETCH, PART_OF, SHARED_LIMITS, TRIAL, priority_class
from infra.plan.quota import quota
from infra.plan.serving import ServingPlan

core, rbac, meta = kubernetes.core.v1, kubernetes.rbac.v1, kubernetes.meta.v1
# Pinned, so that a cluster's upgrade does not refuse pods that it took the day before: the rules of the oldest version
# that is supported here.
POD_SECURITY_VERSION = "v1.31"
# Below the cluster's own (2,000,000,000). A gateway is small, and with none of them no engine is of use.
PRIORITIES = {GATEWAY: 1_000_100, SHARED_LIMITS: 1_000_100, ENGINE: 1_000_000}


class Isolation(pulumi.ComponentResource):
    """Owns the namespace, accounts, roles, network policies, quota, limits and priorities. All else comes after it."""

    def __init__(
        self, name: str, plan: ServingPlan, cluster: ClusterHandle, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:serving:Isolation", name, None, opts)
        child = cluster.child(self)
        namespace = core.Namespace(
            f"{name}-namespace",
            metadata=meta.ObjectMetaArgs(
                name=cluster.namespace, labels={**_pod_security(), "app.kubernetes.io/part-of": PART_OF}
            ),
            opts=child,
        )
        inside = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[namespace]))
        # Who is in the gateway's pod is of its account too.
        accounts = [GATEWAY]
        accounts += [MODEL_FETCH] if any(e.weights_volume.filled_by_a_job for e in plan.engines.values()) else []
        accounts += [engine.name for engine in plan.engines.values() if not engine.beside_gateway]
        accounts += [SHARED_LIMITS] if plan.shared_limits else []
        accounts += [TRIAL] if plan.trials else []
        accounts += [MAKING] if plan.makings else []
        for account in accounts:
            core.ServiceAccount(
                f"{name}-{account}",
                metadata=_named(account, cluster, annotations=dict(cluster.identities.get(account, {})) or None),
                # Who uses the API says so in its own pod.
                automount_service_account_token=False,
                opts=inside,
            )
        if plan.finds_engines:
            _gateway_role(name, cluster, inside)
        network_policies(name, plan.flows, plan.parties, cluster, inside)
        core.ResourceQuota(
            f"{name}-quota",
            metadata=_named("site", cluster),
            spec=core.ResourceQuotaSpecArgs(hard=quota(plan, cluster.nodes)),
            opts=inside,
        )
        core.LimitRange(
            f"{name}-limits",
            metadata=_named("site", cluster),
            spec=core.LimitRangeSpecArgs(limits=[_container_limits()]),
            opts=inside,
        )
        for component, value in PRIORITIES.items():
            kubernetes.scheduling.v1.PriorityClass(
                f"{name}-priority-{component}",
                metadata=meta.ObjectMetaArgs(name=priority_class(cluster.namespace, component)),
                value=value,
                global_default=False,
                description=f"{component} pods of the namespace {cluster.namespace}",
                opts=child,
            )
        self.register_outputs({"namespace": cluster.namespace})


def _pod_security() -> dict[str, str]:
    modes = {"enforce": "restricted", "audit": "restricted", "warn": "restricted"}
    labels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in modes.items()}
    return {**labels, **{f"pod-security.kubernetes.io/{mode}-version": POD_SECURITY_VERSION for mode in modes}}


def _gateway_role(name: str, cluster: ClusterHandle, opts: pulumi.ResourceOptions) -> None:
    """It finds engines' replicas by their EndpointSlices; nothing else of the API is of use to it."""
    rule = rbac.PolicyRuleArgs(
        api_groups=["discovery.k8s.io"], resources=["endpointslices"], verbs=["get", "list", "watch"]
    )
    role = rbac.Role(f"{name}-gateway-role", metadata=_named(GATEWAY, cluster), rules=[rule], opts=opts)
    rbac.RoleBinding(
        f"{name}-gateway-role-binding",
        metadata=_named(GATEWAY, cluster),
        role_ref=rbac.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=GATEWAY),
        subjects=[rbac.SubjectArgs(kind="ServiceAccount", name=GATEWAY, namespace=cluster.namespace)],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role])),
    )


def _container_limits() -> kubernetes.core.v1.LimitRangeItemArgs:
    """For what others put into the namespace, such as a side car: ours say themselves what they use. No processor
    limit, which would throttle an engine that has none."""
    memory = {"memory": "256Mi"}
    return core.LimitRangeItemArgs(type="Container", default=memory, default_request={"cpu": "100m", **memory})


def _named(
    name: str, cluster: ClusterHandle, annotations: dict[str, str] | None = None
) -> kubernetes.meta.v1.ObjectMetaArgs:
    labels = {"app.kubernetes.io/part-of": PART_OF}
    return meta.ObjectMetaArgs(name=name, namespace=cluster.namespace, labels=labels, annotations=annotations)
