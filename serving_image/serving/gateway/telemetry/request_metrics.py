"""Counts of all finished requests, kept as plain numbers and turned into metrics when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from serving.gateway.telemetry.distribution import Distribution
from serving.gateway.telemetry.label_bound import LabelBound

if TYPE_CHECKING:
    from serving.gateway.context import RequestContext

_FIRST_BYTE = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_DURATION = (*_FIRST_BYTE, 120.0, 300.0, 600.0)
_NAMESPACE = "slipway_gateway_"


class _ModelSeries:
    """One model and endpoint."""

    __slots__ = ("duration", "first_byte")

    def __init__(self) -> None:
        self.duration = Distribution(_DURATION)
        self.first_byte = Distribution(_FIRST_BYTE)


class _Series:
    """One client, model and endpoint."""

    __slots__ = ("by_status", "duration", "first_byte", "output_tokens", "prompt_tokens")

    def __init__(self, model: _ModelSeries) -> None:
        self.by_status: dict[int, int] = {}
        self.duration = model.duration
        self.first_byte = model.first_byte
        self.prompt_tokens = 0
        self.output_tokens = 0


class Totals(NamedTuple):
    """Since the start, without probes of health: finished, those answered with 4xx, those that otherwise did not end
    as asked, and tokens."""

    requests: int
    refused: int
    failed: int
    prompt_tokens: int
    output_tokens: int


class RequestMetrics:
    """Counts, and is the collector that renders the counts."""

    def __init__(self, clients: LabelBound) -> None:
        self._clients = clients
        self._models: dict[tuple[str, str], _ModelSeries] = {}
        self._series: dict[tuple[str, str, str], _Series] = {}
        # What requests look up, by the client's name rather than its label.
        self._found: dict[tuple[str, str, str], _Series] = {}
        self._refusals: dict[str, int] = {}

    def forget_labels(self) -> None:
        """After a reload: a client may have a label of its own now."""
        self._found.clear()

    def finished(self, context: RequestContext, duration: float) -> None:
        """Count one request."""
        client = context.client
        model = context.model
        key = (client.name if client else "unknown", model.name if model else "unknown", context.endpoint)
        series = self._found.get(key) or self._find(key)
        status = context.status
        series.by_status[status] = series.by_status.get(status, 0) + 1
        series.duration.observe(duration)
        if context.first_byte_at:
            series.first_byte.observe(context.first_byte_at - context.started_at)
        series.prompt_tokens += context.prompt_tokens
        series.output_tokens += context.output_tokens
        reason = context.reason
        if reason:
            self._refusals[reason] = self._refusals.get(reason, 0) + 1

    def totals(self) -> Totals:
        """The sums over everything."""
        requests = refused = prompt_tokens = output_tokens = 0
        for (_, _, endpoint), series in self._series.items():
            if endpoint in ("health", "ready"):
                continue
            for status, count in series.by_status.items():
                requests += count
                if 400 <= status < 500:
                    refused += count
            prompt_tokens += series.prompt_tokens
            output_tokens += series.output_tokens
        return Totals(requests, refused, sum(self._refusals.values()) - refused, prompt_tokens, output_tokens)

    def _find(self, key: tuple[str, str, str]) -> _Series:
        client, model, endpoint = key
        labels = (client if client == "unknown" else self._clients.label(client), model, endpoint)
        series = self._series.get(labels)
        if series is None:
            shared = self._models.setdefault((model, endpoint), _ModelSeries())
            series = self._series[labels] = _Series(shared)
        self._found[key] = series
        return series

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        labels = ["client", "model", "endpoint", "code"]
        requests = CounterMetricFamily(f"{_NAMESPACE}requests", "Finished requests.", labels=labels)
        tokens: dict[tuple[str, str], list[int]] = {}
        for (client, model, endpoint), series in sorted(self._series.items()):
            for status, count in sorted(series.by_status.items()):
                requests.add_metric([client, model, endpoint, str(status)], count)
            sums = tokens.setdefault((client, model), [0, 0])
            sums[0] += series.prompt_tokens
            sums[1] += series.output_tokens
        yield requests
        for name, place in (("prompt_tokens", 0), ("output_tokens", 1)):
            family = CounterMetricFamily(_NAMESPACE + name, "As engines report in usage.", labels=["client", "model"])
            for pair, sums in tokens.items():
                family.add_metric(list(pair), sums[place])
            yield family
        refusals = CounterMetricFamily(
            f"{_NAMESPACE}refusals", "Requests that did not end as asked, by reason.", labels=["reason"]
        )
        for reason, count in sorted(self._refusals.items()):
            refusals.add_metric([reason], count)
        yield refusals
        yield from self._of_models()

    def _of_models(self) -> Iterator[Metric]:
        first_byte = HistogramMetricFamily(
            f"{_NAMESPACE}time_to_first_byte_seconds",
            "From the request's head to the first byte of the engine's answer (the first token of a stream).",
            labels=["model", "endpoint"],
        )
        duration = HistogramMetricFamily(
            f"{_NAMESPACE}request_duration_seconds",
            "From the request's head to the end of the answer.",
            labels=["model", "endpoint"],
        )
        for labels, series in sorted(self._models.items()):
            first_byte.add_metric(list(labels), series.first_byte.buckets(), series.first_byte.total)
            duration.add_metric(list(labels), series.duration.buckets(), series.duration.total)
        yield first_byte
        yield duration
