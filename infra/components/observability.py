"""What watches a site, for a cluster with the Prometheus operator: pod monitors, rules and Grafana's dashboards."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels, selector
from infra.plan.alert_rules import rule_groups
from infra.plan.dashboards import dashboards
from infra.plan.in_cluster import PART_OF
from infra.plan.monitoring import MonitoringPlan, Scrape

custom = kubernetes.apiextensions.CustomResource
meta = kubernetes.meta.v1
OPERATOR = "monitoring.coreos.com/v1"
# What Grafana's own charts look for in ConfigMaps.
DASHBOARD_LABEL = {"grafana_dashboard": "1"}
SCRAPE_SECONDS = 15


class Observability(pulumi.ComponentResource):
    """Owns monitors, rules and dashboards of one site, where its plan has `monitoring`. It does not own Prometheus,
    which reads them, or who is called."""

    def __init__(
        self, name: str, plan: MonitoringPlan, cluster: ClusterHandle, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:serving:Observability", name, None, opts)
        self._cluster, child = cluster, cluster.child(self)
        for scrape in plan.scrapes:
            custom(
                f"{name}-{scrape.monitor}",
                api_version=OPERATOR,
                kind="PodMonitor",
                metadata=self._metadata(scrape.monitor, labels(scrape.component, scrape.name)),
                spec={
                    "selector": {"matchLabels": selector(scrape.component, scrape.name)},
                    "podMetricsEndpoints": [_endpoint(scrape)],
                },
                opts=child,
            )
        own = {"app.kubernetes.io/part-of": PART_OF}
        custom(
            f"{name}-rules",
            api_version=OPERATOR,
            kind="PrometheusRule",
            metadata=self._metadata("slipway", own),
            spec={"groups": rule_groups(plan.alerts)},
            opts=child,
        )
        boards = dashboards(cluster.namespace, plan.kv_metrics, releases=plan.releases)
        kubernetes.core.v1.ConfigMap(
            f"{name}-dashboards",
            metadata=self._metadata("slipway-dashboards", {**own, **DASHBOARD_LABEL}),
            data={file: json.dumps(board, indent=1) for file, board in boards.items()},
            opts=child,
        )
        self.register_outputs({"rules": len(plan.alerts)})

    def _metadata(self, name: str, own: dict[str, str]) -> kubernetes.meta.v1.ObjectMetaArgs:
        return meta.ObjectMetaArgs(name=name, namespace=self._cluster.namespace, labels=own)


def _endpoint(scrape: Scrape) -> dict[str, Any]:
    return {"port": scrape.port, "path": scrape.path, "interval": f"{SCRAPE_SECONDS}s"}
