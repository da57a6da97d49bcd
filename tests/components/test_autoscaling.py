"""What scales a model as registered: KEDA's ScaledObject on the gateways' count, hours, and the HPA without KEDA."""

from __future__ import annotations

from typing import Any

import pytest

from infra.components.autoscaling import Autoscaling
from infra.components.cluster_handle import ClusterHandle
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.scaling import scaling_plan
from infra.plan.serving import ServingPlan
from tests.components.engines import GGUF, objects, ours, planned, recorded
from tests.harness import Recorder


def make(serving: ServingPlan, cluster: ClusterHandle) -> None:
    engine = serving.engines["chat"]
    assert engine.scaling
    Autoscaling("chat", engine, engine.scaling, cluster, service="gateway", secret="gateway-secrets")


def registered(**case: Any) -> Recorder:
    return recorded(planned(**case), make)


def scaled(**case: Any) -> Any:
    return objects(registered(**case))["ScaledObject/engine-chat"]["spec"]


def test_registered_as_a_component_of_ours() -> None:
    recorder = registered()
    (component,) = recorder.of_type("slipway:serving:Autoscaling")
    assert component.urn in recorder.closed
    (child,) = (seen for seen in ours(recorder) if seen is not component)
    assert child.parent == component.urn
    assert "pulumi:providers:kubernetes::cluster::" in child.provider
    assert child.type == "kubernetes:keda.sh/v1alpha1:ScaledObject"


def test_gateways_are_asked_one_by_one() -> None:
    (trigger,) = scaled()["triggers"]
    assert trigger["type"] == "metrics-api"
    assert trigger["metricType"] == "AverageValue"
    assert trigger["metadata"] == {
        "url": "http://gateway.slipway.svc:9090/scaling/chat",
        "valueLocation": "total",
        "targetValue": "11",
        "activationTargetValue": "0",
        "aggregateFromKubeServiceEndpoints": "true",
        "aggregationType": "max",
    }
    # KEDA takes text only.
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_with_an_objective_also_what_the_last_hour_needed() -> None:
    """Both are told by the gateway, and HPAs take the larger number of replicas."""
    objective = {
        "requests_per_second": 2,
        "input_tokens": 2000,
        "output_tokens": 30,
        "time_to_first_token_seconds": 2.0,
    }
    case = {"objective": objective, "gateway": {"scaling": {"key": {"secret": "scaling"}}}}
    speed = planned(**case).models["chat"].performance
    assert speed
    triggers = objects(registered(**case))["ScaledObject/engine-chat"]["spec"]["triggers"]
    asked = [(one["metadata"]["valueLocation"], one["metadata"]["targetValue"]) for one in triggers]
    assert asked == [("arriving_per_second", f"{speed.requests_per_second:g}"), ("mean_in_flight", "11")]
    assert [one["authenticationRef"] for one in triggers] == [{"name": "engine-chat"}] * 2
    assert {one["metricType"] for one in triggers} == {"AverageValue"}


@pytest.mark.parametrize(("gateway", "aggregation"), [({}, "sum"), ({"limits_store": {}}, "max")])
def test_what_several_answers_are_together(gateway: dict[str, Any], aggregation: str) -> None:
    """Where gateways count together each tells the whole: one that cannot be asked must not look like less to do."""
    plan = planned()
    model = plan.models["chat"]
    found = scaling_plan("chat", model, model.replicas, gateway, 0, ClusterFacts(keda=True))
    assert found
    assert found.aggregation == aggregation


def test_shown_the_key_that_the_gateway_asks_for() -> None:
    found = objects(registered(gateway={"scaling": {"key": {"secret": "scaling"}}}))
    assert found["TriggerAuthentication/engine-chat"]["spec"] == {
        "secretTargetRef": [{"parameter": "token", "name": "gateway-secrets", "key": "scaling"}]
    }
    (trigger,) = found["ScaledObject/engine-chat"]["spec"]["triggers"]
    assert trigger["metadata"]["authMode"] == "bearer"
    assert trigger["authenticationRef"] == {"name": "engine-chat"}


def test_how_many_and_of_what() -> None:
    spec = scaled()
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 4)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "engine-chat"}
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}


def test_fewer_only_after_a_long_look() -> None:
    plan = planned()
    cold = plan.models["chat"].cold_start
    assert cold
    spec = scaled()
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    # Machines stay, and so do their images: another start does without the pull.
    again = sum(phase.seconds for phase in cold.phases if phase.name != "pull_image")
    assert 0 < again < cold.total_seconds
    grace = plan.sites["here"].details.drain.gateway_grace_seconds
    assert down["stabilizationWindowSeconds"] >= max(300, again, grace)
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    assert spec["cooldownPeriod"] == down["stabilizationWindowSeconds"]
    assert spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0


def test_to_zero_where_requests_are_held() -> None:
    spec = scaled(scaling={"min_replicas": 0, "max_replicas": 2}, hold={"seconds": 3600})
    assert spec["minReplicaCount"] == 0
    assert spec["pollingInterval"] == 5
    assert spec["fallback"]["replicas"] == 1


def test_hours_are_kept_beside_the_count() -> None:
    office = {"time_zone": "Europe/Berlin", "begins": "0 8 * * 1-5", "ends": "0 18 * * 1-5", "min_replicas": 3}
    _, hours = scaled(scaling={"min_replicas": 2, "max_replicas": 4, "schedules": {"office": office}})["triggers"]
    assert hours == {
        "type": "cron",
        "name": "office",
        "metadata": {
            "timezone": "Europe/Berlin",
            "start": "0 8 * * 1-5",
            "end": "0 18 * * 1-5",
            "desiredReplicas": "3",
        },
    }


@pytest.mark.parametrize("model", [{}, GGUF])
def test_without_keda_by_load(model: dict[str, Any]) -> None:
    spec = objects(registered(platform={"keda": False}, **model))["HorizontalPodAutoscaler/engine-chat"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 4)
    assert spec["metrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    ]
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300
