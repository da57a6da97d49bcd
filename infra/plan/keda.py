"""KEDA where a site installs it: it asks gateways how much there is to do, and sees as little else as it can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.catalog.charts import charts
from infra.plan.charts import ChartPlan
from infra.plan.serving import LEADER_WORKER_SET, ServingPlan

NAME = NAMESPACE = "keda"
# Control planes of GKE reach pods of private nodes at this port and 443 alone (Google's documentation on firewall rules
# of clusters, read 2026-11). Elsewhere it is a port like any other.
ADAPTER_PORT = 10250
# It looks up which gateways are ready (pkg/scalers/metrics_api_scaler.go of 2.20.2). Whether its chart lets it was not
# seen.
_READS_ENDPOINTS = "keda-reads-endpoints"


def keda_plan(serving: ServingPlan) -> ChartPlan:
    """Two of each part: nobody scales while there is none. No webhook: whoever writes here is checked by the plan."""
    shown = any(engine.scaling and engine.scaling.key_secret for engine in serving.engines.values())
    groups = any(engine.groups for engine in serving.engines.values())
    bound = {"maxUnavailable": 1}
    restrict = {"restrict": {"secret": True}}
    return ChartPlan(
        chart=charts()[NAME],
        namespace=NAMESPACE,
        values={
            "operator": {"replicaCount": 2},
            "metricsServer": {"replicaCount": 2},
            "podDisruptionBudget": {"operator": bound, "metricServer": bound},
            "service": {"portHttpsTarget": ADAPTER_PORT},
            "webhooks": {"enabled": False},
            "extraArgs": {"keda": {"enable-webhook-patching": "false"}},
            # Secrets of its own alone, unless it shows gateways one of theirs.
            "permissions": {"metricServer": restrict, **({} if shown else {"operator": restrict})},
            # Deployments it scales by itself.
            "rbac": {
                "enabledCustomScaledRefKinds": groups,
                "scaledRefKinds": [{"apiGroup": LEADER_WORKER_SET.partition("/")[0], "kind": "leaderworkersets"}]
                if groups
                else [],
            },
            "extraObjects": _reads_endpoints(),
        },
    )


def _reads_endpoints() -> list[Mapping[str, Any]]:
    api = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]}
    metadata = {"name": _READS_ENDPOINTS}
    operator = {"kind": "ServiceAccount", "name": "keda-operator", "namespace": NAMESPACE}
    return [
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": _READS_ENDPOINTS},
            "subjects": [operator],
        },
    ]
