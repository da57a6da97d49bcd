"""Deploys a chart of somebody else's at a fixed version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.plan.charts import SYSTEM, ChartPlan

helm = kubernetes.helm.v3
# For its images to come, and its pods to be ready.
READY_SECONDS = 900


def chart_release(
    name: str, called: str, planned: ChartPlan, opts: pulumi.ResourceOptions, found: Mapping[str, Any] | None = None
) -> kubernetes.helm.v3.Release:
    """The release `called` so. `found` are values that only the cloud knows. What the chart makes is Helm's, and goes
    with it or with the cluster."""
    chart = planned.chart
    return helm.Release(
        name,
        name=called,
        chart=chart.reference,
        version=chart.version,
        repository_opts=helm.RepositoryOptsArgs(repo=chart.index) if chart.index else None,
        namespace=planned.namespace,
        create_namespace=planned.namespace != SYSTEM,
        values={**planned.values, **(found or {})},
        # One that fails leaves nothing half made, which a second try would stumble over.
        atomic=True,
        timeout=READY_SECONDS,
        opts=opts,
    )
