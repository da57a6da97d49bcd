"""Counts findings into the metrics: kinds and what was done, both from the configuration; never a value."""

from __future__ import annotations

from prometheus_client import Counter

from serving.gateway.context import RequestContext


def count_findings(context: RequestContext, counter: Counter) -> None:
    """Of one finished request. Rare enough that the labels need no cache."""
    for (kind, action), count in (context.findings or {}).items():
        counter.labels(kind, action).inc(count)
    for kind, count in (context.output_findings or {}).items():
        counter.labels(kind, "output").inc(count)
