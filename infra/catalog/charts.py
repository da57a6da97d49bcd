"""Charts of others that a cluster of ours gets: where their makers have them, and which version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart at one version. A `repository` of kind `oci` has charts below it, any other one an index."""

    chart: str
    repository: str
    version: str
    does: str
    source: str
    as_of: str

    @property
    def reference(self) -> str:
        """As Helm is asked for it: by its whole address where there is no index."""
        return f"{self.repository}/{self.chart}" if self.repository.startswith("oci:") else self.chart

    @property
    def index(self) -> str | None:
        """Where Helm looks the chart up; None where its address says it."""
        return None if self.repository.startswith("oci:") else self.repository


@cache
def charts() -> Mapping[str, Chart]:
    """Every chart by its name."""
    return {row.chart: row for row in read("charts.csv", Chart)}
