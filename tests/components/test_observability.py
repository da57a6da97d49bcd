"""What watches a site as registered: monitors that select our pods, rules with a page each, dashboards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import selector
from infra.components.observability import Observability
from infra.plan.serving import ServingPlan
from tests.components.engines import objects, ours, planned, recorded, serving
from tests.harness import Recorder


def make(plan: ServingPlan, cluster: ClusterHandle) -> None:
    assert plan.monitoring
    Observability("watched", plan.monitoring, cluster)


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return recorded(planned(), make)


@pytest.fixture(scope="module")
def found(recorder: Recorder) -> dict[str, Any]:
    return objects(recorder)


def test_registered_as_a_component_of_ours(recorder: Recorder) -> None:
    (component,) = recorder.of_type("slipway:serving:Observability")
    assert component.urn in recorder.closed
    children = [seen for seen in ours(recorder) if seen is not component]
    assert {child.parent for child in children} == {component.urn}
    assert all("pulumi:providers:kubernetes::cluster::" in child.provider for child in children)


def test_gateways_and_engines_are_scraped(found: dict[str, Any]) -> None:
    gateway, engine = found["PodMonitor/gateway"]["spec"], found["PodMonitor/engine-chat"]["spec"]
    assert gateway["selector"]["matchLabels"] == selector("gateway", "gateway")
    assert gateway["podMetricsEndpoints"] == [{"port": "operations", "path": "/metrics", "interval": "15s"}]
    assert engine["selector"]["matchLabels"] == selector("engine", "engine-chat")
    # Of every engine alike: the launcher shows the engine its key, and nobody else has it.
    assert engine["podMetricsEndpoints"] == gateway["podMetricsEndpoints"]


def test_rules_say_what_to_read(found: dict[str, Any]) -> None:
    groups = found["PrometheusRule/slipway"]["spec"]["groups"]
    assert {group["name"] for group in groups} == {"slipway", "slipway-chat"}
    for rule in (rule for group in groups for rule in group["rules"]):
        assert rule["annotations"]["runbook"].startswith("docs/runbooks.md#")
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["for"].endswith("m")


def test_dashboards_are_found_by_grafana(found: dict[str, Any]) -> None:
    boards = found["ConfigMap/slipway-dashboards"]
    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {json.loads(text)["title"] for text in boards["data"].values()} == {
        *("slipway: models", "slipway: gateways", "slipway: cost")
    }


def test_nothing_is_watched_where_nobody_scrapes() -> None:
    assert serving(platform={"prometheus": False}).monitoring is None
