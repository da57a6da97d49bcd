"""What changes the number of a model's replicas: KEDA by what gateways count and by the clock, or an HPA by load."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels
from infra.plan.in_cluster import ENGINE
from infra.plan.scaling import PROCESSOR_PERCENT, ScalingPlan, behaviour
from infra.plan.serving import EnginePlan

scaling = kubernetes.autoscaling.v2
custom = kubernetes.apiextensions.CustomResource
KEDA = "keda.sh/v1alpha1"
FAILURES = 3


class Autoscaling(pulumi.ComponentResource):
    """Owns what scales one model whose plan has `scaling`. It does not own the replicas, or KEDA.

    `service` is the gateway's, whose pods are asked one by one; `secret` holds the gateway's secrets by their names."""

    def __init__(
        self,
        name: str,
        engine: EnginePlan,
        plan: ScalingPlan,
        cluster: ClusterHandle,
        *,
        service: pulumi.Input[str],
        secret: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:serving:Autoscaling", name, None, opts)
        self._engine, self._plan, self._cluster, self._child = engine, plan, cluster, cluster.child(self)
        make = {"keda": self._by_requests, "horizontal_pod_autoscaler": self._by_load}[plan.kind]
        scaled = make(name, service, secret)
        self.scaled: pulumi.Output[str] = scaled.id
        self.register_outputs({"scaled": self.scaled})

    def _by_requests(self, name: str, service: pulumi.Input[str], secret: pulumi.Input[str]) -> pulumi.CustomResource:
        plan, engine = self._plan, self._engine
        shown = self._authentication(name, plan.key_secret, secret) if plan.key_secret else None
        return custom(
            f"{name}-scaled",
            api_version=KEDA,
            kind="ScaledObject",
            metadata=self._metadata(),
            spec={
                "scaleTargetRef": dict(zip(("apiVersion", "kind", "name"), engine.scaled, strict=True)),
                "minReplicaCount": plan.min_replicas,
                "maxReplicaCount": plan.max_replicas,
                "pollingInterval": plan.poll_seconds,
                # To zero only; between one and many it is the window below.
                "cooldownPeriod": plan.window_seconds,
                # Who cannot be asked says nothing about how much there is to do.
                "fallback": {
                    "failureThreshold": FAILURES,
                    "replicas": max(1, plan.min_replicas),
                    "behavior": "currentReplicasIfHigher",
                },
                "advanced": {
                    # When this is removed, nobody's requests end for it.
                    "restoreToOriginalReplicaCount": False,
                    "horizontalPodAutoscalerConfig": {"behavior": behaviour(plan)},
                },
                "triggers": [
                    *(self._trigger(service, shown, value, target) for value, target in self._values()),
                    *self._hours(),
                ],
            },
            opts=pulumi.ResourceOptions.merge(
                self._child, pulumi.ResourceOptions(depends_on=[shown] if shown else None)
            ),
        )

    def _values(self) -> list[tuple[str, float]]:
        """What gateways tell, and how much of it each replica shall have: the larger number of replicas counts."""
        plan = self._plan
        if plan.target_per_second is None:
            return [("total", plan.target_requests)]
        return [("arriving_per_second", plan.target_per_second), ("mean_in_flight", plan.target_requests)]

    def _trigger(
        self, service: pulumi.Input[str], shown: pulumi.CustomResource | None, value: str, target: float
    ) -> dict[str, Any]:
        plan = self._plan
        namespace = self._cluster.namespace
        address = pulumi.Output.format("http://{0}.{1}.svc:{2}{3}", service, namespace, plan.port, plan.path)
        trigger: dict[str, Any] = {
            "type": "metrics-api",
            # One replica for each `targetValue`, rounded up; and none at all while there is nothing.
            "metricType": "AverageValue",
            "metadata": {
                "url": address,
                "valueLocation": value,
                "targetValue": f"{target:g}",
                "activationTargetValue": "0",
                # Every gateway is asked at its own address: the service's would show one of them.
                "aggregateFromKubeServiceEndpoints": "true",
                "aggregationType": plan.aggregation,
                **({"authMode": "bearer"} if shown else {}),
            },
        }
        return {**trigger, "authenticationRef": {"name": self._engine.name}} if shown else trigger

    def _hours(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "cron",
                "name": schedule,
                "metadata": {
                    "timezone": hours.time_zone,
                    "start": hours.begins,
                    "end": hours.ends,
                    "desiredReplicas": str(hours.min_replicas),
                },
            }
            for schedule, hours in sorted(self._plan.schedules.items())
        ]

    def _authentication(self, name: str, key: str, secret: pulumi.Input[str]) -> pulumi.CustomResource:
        return custom(
            f"{name}-scaling-key",
            api_version=KEDA,
            kind="TriggerAuthentication",
            metadata=self._metadata(),
            spec={"secretTargetRef": [{"parameter": "token", "name": secret, "key": key}]},
            opts=self._child,
        )

    def _by_load(self, name: str, service: pulumi.Input[str], secret: pulumi.Input[str]) -> pulumi.CustomResource:
        del service, secret
        plan = self._plan
        rules = behaviour(plan)
        api_version, kind, target = self._engine.scaled
        return scaling.HorizontalPodAutoscaler(
            f"{name}-scaled",
            metadata=self._metadata(),
            spec=scaling.HorizontalPodAutoscalerSpecArgs(
                scale_target_ref=scaling.CrossVersionObjectReferenceArgs(
                    api_version=api_version, kind=kind, name=target
                ),
                min_replicas=plan.min_replicas,
                max_replicas=plan.max_replicas,
                metrics=[
                    scaling.MetricSpecArgs(
                        type="Resource",
                        resource=scaling.ResourceMetricSourceArgs(
                            name="cpu",
                            target=scaling.MetricTargetArgs(type="Utilization", average_utilization=PROCESSOR_PERCENT),
                        ),
                    )
                ],
                behavior=scaling.HorizontalPodAutoscalerBehaviorArgs(
                    scale_up=_rules(rules["scaleUp"]), scale_down=_rules(rules["scaleDown"])
                ),
            ),
            opts=self._child,
        )

    def _metadata(self) -> kubernetes.meta.v1.ObjectMetaArgs:
        return kubernetes.meta.v1.ObjectMetaArgs(
            name=self._engine.name, namespace=self._cluster.namespace, labels=labels(ENGINE, self._engine.name)
        )


def _rules(rules: dict[str, Any]) -> kubernetes.autoscaling.v2.HPAScalingRulesArgs:
    return scaling.HPAScalingRulesArgs(
        stabilization_window_seconds=rules["stabilizationWindowSeconds"],
        select_policy=rules["selectPolicy"],
        policies=[
            scaling.HPAScalingPolicyArgs(
                type=policy["type"], value=policy["value"], period_seconds=policy["periodSeconds"]
            )
            for policy in rules["policies"]
        ],
    )
