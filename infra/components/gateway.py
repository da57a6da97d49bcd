"""The gateways of a site: pods spread over its zones, grown by load, ended without cutting an answer."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.engine_pods import Beside
from infra.components.gateway_files import Mounted, gateway_files
from infra.components.labels import labels, selector
from infra.components.placement import spread, tolerations
from infra.components.pod_security import container_security, pod_security
from infra.containment.base import FILE
from infra.plan.engine_process import PYTHON
from infra.plan.gateway_pods import (
    CLIENT_KEYS_FOLDER,
    CONFIG_FILE,
    CONFIG_FOLDER,
    CONTAINED_FOLDER,
    RELEASED_FOLDER,
    SECRETS_FOLDER,
    GatewayPods,
)
from infra.plan.in_cluster import (
    ADMIN_PORT,
    GATEWAY,
    OPERATIONS_PORT,
    PUBLIC_PORT,
    SERVICE_PORT,
    priority_class,
)
from infra.plan.serving import ServingPlan
from infra.platforms.base import SiteSecrets
from infra.releases.base import FILE as RELEASED

apps, core, meta = kubernetes.apps.v1, kubernetes.core.v1, kubernetes.meta.v1
scaling = kubernetes.autoscaling.v2
# A mounted folder follows its object within a minute; the gateway then sees it within this.
WATCH_SECONDS = 5
# What Kubernetes takes at most (autoscaling/v2).
LONGEST_WINDOW_SECONDS, LONGEST_PERIOD_SECONDS = 3600, 1800
IN_FLIGHT = "slipway_requests_in_flight"


class Gateway(pulumi.ComponentResource):
    """Owns the gateways' pods, service, scaling and disruption budget, and their files. `beside` are engines in their
    pod. `service` is what a front door sends requests to. A changed file is reloaded: nothing in the pods' template
    depends on what is in it."""

    def __init__(
        self,
        name: str,
        plan: ServingPlan,
        secrets: SiteSecrets,
        cluster: ClusterHandle,
        opts: pulumi.ResourceOptions | None = None,
        *,
        image: pulumi.Input[str],
        beside: Sequence[Beside] = (),
    ) -> None:
        super().__init__("slipway:serving:Gateway", name, None, opts)
        child, pods = cluster.child(self), plan.gateway_pods
        mounted = gateway_files(name, plan, secrets, cluster, child)
        patience = pulumi.ResourceOptions(
            custom_timeouts=pulumi.CustomTimeouts(
                create=f"{pods.ready_seconds}s",
                update=f"{pods.ready_seconds}s",
                delete=f"{pods.grace_seconds + WATCH_SECONDS}s",
            )
        )
        deployment = apps.Deployment(
            name,
            metadata=_named(cluster),
            spec=_deployment(plan, image, cluster, mounted, beside),
            # Pulumi waits for its pods: where what they mount cannot be made, it must not wait for them.
            opts=pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions.merge(
                    patience, pulumi.ResourceOptions(depends_on=[one.made for one in mounted if one.made])
                ),
            ),
        )
        self.service = core.Service(
            f"{name}-service",
            metadata=_named(cluster),
            spec=core.ServiceSpecArgs(
                type="ClusterIP",
                selector=selector(GATEWAY, GATEWAY),
                ports=[
                    core.ServicePortArgs(name="http", port=SERVICE_PORT, target_port="http", app_protocol="http"),
                    core.ServicePortArgs(name="operations", port=OPERATIONS_PORT, target_port="operations"),
                ],
            ),
            # Pulumi waits until a service has pods that answer: where these cannot be made, it must not wait for them.
            opts=pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions.merge(patience, pulumi.ResourceOptions(depends_on=[deployment]))
            ),
        )
        if pods.replicas.min > 1:
            kubernetes.policy.v1.PodDisruptionBudget(
                f"{name}-disruption",
                metadata=_named(cluster),
                spec=kubernetes.policy.v1.PodDisruptionBudgetSpecArgs(
                    max_unavailable=1,
                    # One that does not work anyway must not keep a node from being emptied.
                    unhealthy_pod_eviction_policy="AlwaysAllow",
                    selector=meta.LabelSelectorArgs(match_labels=selector(GATEWAY, GATEWAY)),
                ),
                opts=child,
            )
        if pods.replicas.max > pods.replicas.min:
            scaling.HorizontalPodAutoscaler(
                f"{name}-scaling",
                metadata=_named(cluster),
                spec=_scaling(pods, cluster),
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[deployment])),
            )
        self.register_outputs({"service": GATEWAY})


def _deployment(
    plan: ServingPlan,
    image: pulumi.Input[str],
    cluster: ClusterHandle,
    mounted: list[Mounted],
    beside: Sequence[Beside],
) -> kubernetes.apps.v1.DeploymentSpecArgs:
    pods, own = plan.gateway_pods, selector(GATEWAY, GATEWAY)
    scaled = pods.replicas.max > pods.replicas.min
    # Whoever is in the pod with it needs a node of its kind.
    nodes = next((part.nodes for part in beside), cluster.gateway_nodes)
    return apps.DeploymentSpecArgs(
        # Where an autoscaler owns the number, writing it would undo what it decided.
        replicas=None if scaled else pods.replicas.min,
        revision_history_limit=3,
        # Pulumi has its own limit; without this Kubernetes' ten minutes would end a rollout that waits for engines.
        progress_deadline_seconds=pods.ready_seconds,
        min_ready_seconds=pods.settle_seconds or None,
        strategy=apps.DeploymentStrategyArgs(
            type="RollingUpdate", rolling_update=apps.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0)
        ),
        selector=meta.LabelSelectorArgs(match_labels=own),
        template=core.PodTemplateSpecArgs(
            metadata=meta.ObjectMetaArgs(
                labels={
                    **labels(GATEWAY, GATEWAY),
                    **{key: text for part in beside for key, text in part.labels.items()},
                },
                annotations={key: text for part in beside for key, text in part.annotations.items()} or None,
            ),
            spec=core.PodSpecArgs(
                service_account_name=GATEWAY,
                # Its token is a volume of the one container that uses it.
                automount_service_account_token=False,
                enable_service_links=False,
                security_context=pod_security(),
                priority_class_name=priority_class(cluster.namespace, GATEWAY),
                termination_grace_period_seconds=pods.grace_seconds,
                node_selector=dict(nodes.labels) or None,
                tolerations=tolerations(nodes) or None,
                resource_claims=[claim for part in beside for claim in part.claims or ()] or None,
                topology_spread_constraints=spread(own, cluster.zones),
                image_pull_secrets=cluster.pull_secrets(),
                init_containers=[container for part in beside for container in part.containers] or None,
                containers=[_container(pods, image, mounted)],
                volumes=[*(found.volume for found in mounted), *(volume for part in beside for volume in part.volumes)],
            ),
        ),
    )


def _container(pods: GatewayPods, image: pulumi.Input[str], mounted: list[Mounted]) -> kubernetes.core.v1.ContainerArgs:
    # An address in it stands for all of the pod's, of either family; who reaches them is the network policies'.
    every = "0.0.0.0"  # noqa: S104
    pod_name = core.EnvVarSourceArgs(field_ref=core.ObjectFieldSelectorArgs(field_path="metadata.name"))
    return core.ContainerArgs(
        name=GATEWAY,
        image=image,
        image_pull_policy="IfNotPresent",
        command=[PYTHON, "-m", "serving.gateway"],
        args=[
            *("--config", f"{CONFIG_FOLDER}/{CONFIG_FILE}", "--client-keys", CLIENT_KEYS_FOLDER),
            *("--listen", f"{every}:{PUBLIC_PORT}", "--operations", f"{every}:{OPERATIONS_PORT}"),
            *("--contained", f"{CONTAINED_FOLDER}/{FILE}"),
            *(("--released", f"{RELEASED_FOLDER}/{RELEASED}") if _follows_releases(mounted) else ()),
            *("--admin", f"127.0.0.1:{ADMIN_PORT}", "--watch-seconds", str(WATCH_SECONDS)),
            *(("--secrets", SECRETS_FOLDER) if pods.secret_names else ()),
            # Before it is told to stop, preStop has taken it out of every list.
            *("--accept-seconds", "0", "--drain-seconds", str(pods.drain_seconds)),
        ],
        env=[core.EnvVarArgs(name="POD_NAME", value_from=pod_name)],
        ports=[
            core.ContainerPortArgs(name="http", container_port=PUBLIC_PORT),
            core.ContainerPortArgs(name="operations", container_port=OPERATIONS_PORT),
        ],
        resources=core.ResourceRequirementsArgs(
            requests={"cpu": pods.cpu_request, "memory": pods.memory},
            limits={"cpu": pods.cpu_limit, "memory": pods.memory},
        ),
        security_context=container_security(),
        startup_probe=_probe("/health", period=1, timeout=2, failures=60),
        readiness_probe=_probe("/ready", period=2, timeout=2, failures=2),
        # Of the process alone: a gateway whose engines are gone is no better for being started again.
        liveness_probe=_probe("/health", period=10, timeout=5, failures=3),
        lifecycle=core.LifecycleArgs(
            pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=pods.pre_stop_seconds))
        ),
        volume_mounts=[found.mount for found in mounted],
    )


def _follows_releases(mounted: list[Mounted]) -> bool:
    return any(one.path == RELEASED_FOLDER for one in mounted)


def _probe(path: str, *, period: int, timeout: int, failures: int) -> kubernetes.core.v1.ProbeArgs:
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port="operations"),
        period_seconds=period,
        timeout_seconds=timeout,
        failure_threshold=failures,
    )


def _scaling(pods: GatewayPods, cluster: ClusterHandle) -> kubernetes.autoscaling.v2.HorizontalPodAutoscalerSpecArgs:
    cpu = scaling.MetricTargetArgs(type="Utilization", average_utilization=pods.cpu_target_percent)
    metrics = [
        scaling.MetricSpecArgs(type="Resource", resource=scaling.ResourceMetricSourceArgs(name="cpu", target=cpu))
    ]
    if cluster.metrics_adapter:
        in_flight = scaling.PodsMetricSourceArgs(
            metric=scaling.MetricIdentifierArgs(name=IN_FLIGHT),
            target=scaling.MetricTargetArgs(type="AverageValue", average_value=str(pods.in_flight_target)),
        )
        metrics.append(scaling.MetricSpecArgs(type="Pods", pods=in_flight))
    return scaling.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=scaling.CrossVersionObjectReferenceArgs(
            api_version="apps/v1", kind="Deployment", name=GATEWAY
        ),
        min_replicas=pods.replicas.min,
        max_replicas=pods.replicas.max,
        metrics=metrics,
        behavior=scaling.HorizontalPodAutoscalerBehaviorArgs(
            # No second one goes before the first has ended, so that a short lull does not end several.
            scale_down=scaling.HPAScalingRulesArgs(
                stabilization_window_seconds=min(LONGEST_WINDOW_SECONDS, max(300, pods.grace_seconds)),
                policies=[
                    scaling.HPAScalingPolicyArgs(
                        type="Pods", value=1, period_seconds=min(LONGEST_PERIOD_SECONDS, pods.grace_seconds)
                    )
                ],
            ),
            scale_up=scaling.HPAScalingRulesArgs(stabilization_window_seconds=0),
        ),
    )


def _named(cluster: ClusterHandle) -> kubernetes.meta.v1.ObjectMetaArgs:
    return meta.ObjectMetaArgs(name=GATEWAY, namespace=cluster.namespace, labels=labels(GATEWAY, GATEWAY))
