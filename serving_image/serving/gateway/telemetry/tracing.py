"""Where traces touch a request: at its end, and on the way to an engine. Costs one test where unconfigured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, Metric

from serving.gateway.telemetry.spans import spans_of

if TYPE_CHECKING:
    from serving.gateway.context import RequestContext
    from serving.gateway.state import GatewayState


def propagate(context: RequestContext) -> str | None:
    """The traceparent for a call of an engine that begins now; None where there are no traces."""
    tracer = context.policy.tracer
    if tracer is None:
        return None
    trace = context.trace
    if trace is None:
        trace = context.trace = tracer.begin(context.scope["headers"])
    if not trace.call_at:
        trace.call_at = time.time()
    return trace.traceparent()


def finish_trace(context: RequestContext, duration: float) -> None:
    """A finisher: the request has ended. Probes are no requests of anybody."""
    tracer = context.policy.tracer
    if tracer is None or context.endpoint in ("health", "ready"):
        return
    trace = context.trace or tracer.begin(context.scope["headers"])
    if trace.sampled:
        tracer.take(spans_of(context, trace, duration))


class TraceOutcomes:
    """A collector: what became of sampled requests."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        tracer = self._state.policy.tracer
        if tracer is None:
            return
        family = CounterMetricFamily("slipway_gateway_traces", "Sampled requests.", labels=["outcome"])
        for outcome in ("sent", "refused", "failed", "dropped"):
            family.add_metric([outcome], tracer.outcomes[outcome])
        yield family

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not collect."""
        return []
