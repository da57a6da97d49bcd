"""What a site installs in its cluster from a chart of somebody else's, and what the chart is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.catalog.charts import Chart

# Every cluster has it.
SYSTEM = "kube-system"


@dataclass(frozen=True, kw_only=True)
class ChartPlan:
    """One chart in a namespace, which is made for it if it is not the cluster's own."""

    chart: Chart
    namespace: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        return f"{self.chart.chart} {self.chart.version.removeprefix('v')}"
