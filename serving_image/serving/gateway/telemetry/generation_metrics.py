"""Metrics of generations, with the field's names where the field has them.

Source of the names, attributes and buckets that begin with `gen_ai`: OpenTelemetry semantic conventions for generative
AI, document docs/gen-ai/gen-ai-metrics.md (repository open-telemetry/semantic-conventions-genai at 004902b8, which
builds on semantic conventions 1.42.0; status Development; names, units and every boundary compared 2026-11-25). There,
counters `gen_ai.client.inference.*` are about to replace `gen_ai.client.token.usage`. In Prometheus' form dots are
underscores, seconds are a suffix, and {token} is none (OpenTelemetry's compatibility document).
`gen_ai_provider_name` is `openai`: it names the flavour of the API, not who runs the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from serving.gateway.telemetry.distribution import FIRST_TOKEN, Distribution
from serving.gateway.telemetry.label_bound import LabelBound

if TYPE_CHECKING:
    from serving.gateway.context import RequestContext

PROVIDER = "openai"
OPERATIONS = {"chat_completions": "chat", "completions": "text_completion", "embeddings": "embeddings"}
"""Our endpoints by the names that `gen_ai.operation.name` has for them."""

_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(float(4**power) for power in range(14))
_COMMON = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


class _ModelSeries:
    """Distributions of one model and endpoint."""

    __slots__ = ("durations", "first_token", "input_tokens", "output_tokens", "per_token")

    def __init__(self) -> None:
        self.first_token = Distribution(FIRST_TOKEN)
        self.per_token = Distribution(_PER_TOKEN)
        self.input_tokens = Distribution(_TOKENS)
        self.output_tokens = Distribution(_TOKENS)
        # By error type; empty: none.
        self.durations = {"": Distribution(DURATION)}


class _ClientSeries:
    """Sums of one client, model and endpoint: enough for averages, without a histogram for each."""

    __slots__ = ("cache", "cost", "first_tokens", "model", "refusals", "until_first_token")

    def __init__(self, model: _ModelSeries) -> None:
        self.model = model
        self.first_tokens = 0
        self.until_first_token = 0.0
        self.cost = 0.0
        self.cache: dict[str, int] = {}
        self.refusals: dict[str, int] = {}


class GenerationMetrics:
    """Counts finished requests, and is the collector that renders the counts."""

    def __init__(self, clients: LabelBound) -> None:
        self._clients = clients
        self._models: dict[tuple[str, str], _ModelSeries] = {}
        self._series: dict[tuple[str, str, str], _ClientSeries] = {}
        # What requests look up, by the client's name rather than its label.
        self._found: dict[tuple[str, str, str], _ClientSeries] = {}

    def forget_labels(self) -> None:
        """After a reload: a client may have a label of its own now."""
        self._found.clear()

    def finished(self, context: RequestContext, duration: float) -> None:
        """Count one request. Those refused before their model was known are counted without one."""
        if context.client is None or context.endpoint not in OPERATIONS:
            return
        key = (context.client.name, context.model.name if context.model else "unknown", context.endpoint)
        series = self._found.get(key) or self._find(key)
        reason = context.reason
        if reason:
            series.refusals[reason] = series.refusals.get(reason, 0) + 1
        if context.model is None:
            return
        model = series.model
        durations = model.durations.get(reason)
        if durations is None:
            durations = model.durations[reason] = Distribution(DURATION)
        durations.observe(duration)
        if context.stream and context.first_byte_at:
            first = context.first_byte_at - context.started_at
            model.first_token.observe(first)
            series.first_tokens += 1
            series.until_first_token += first
            if not reason and context.output_tokens > 1:
                model.per_token.observe((duration - first) / (context.output_tokens - 1))
        if context.prompt_tokens:
            model.input_tokens.observe(context.prompt_tokens)
        if context.output_tokens:
            model.output_tokens.observe(context.output_tokens)
        if context.cost:
            series.cost += context.cost
        if context.cache_result:
            series.cache[context.cache_result] = series.cache.get(context.cache_result, 0) + 1

    def latencies(self) -> tuple[list[int], list[int]]:
        """Observations so far, per bucket of FIRST_TOKEN (streams) and of DURATION (what ended as asked)."""
        first_token, duration = [0] * (len(FIRST_TOKEN) + 1), [0] * (len(DURATION) + 1)
        for series in self._models.values():
            series.first_token.add_to(first_token)
            series.durations[""].add_to(duration)
        return first_token, duration

    def _find(self, key: tuple[str, str, str]) -> _ClientSeries:
        client, model, endpoint = key
        labels = (self._clients.label(client), model, endpoint)
        series = self._series.get(labels)
        if series is None:
            shared = self._models.setdefault((model, endpoint), _ModelSeries())
            series = self._series[labels] = _ClientSeries(shared)
        self._found[key] = series
        return series

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector."""
        yield from self._of_models()
        yield from self._of_clients()

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not collect."""
        return []

    def _of_models(self) -> Iterator[Metric]:
        first = _histogram("gen_ai_server_time_to_first_token_seconds", "Streams: from head to first token.", _COMMON)
        per_token = _histogram(
            "gen_ai_server_time_per_output_token_seconds", "Streams: per token after the first.", _COMMON
        )
        duration = _histogram(
            "gen_ai_server_request_duration_seconds", "From head to end of answer.", (*_COMMON, "error_type")
        )
        usage = _histogram("gen_ai_client_token_usage", "As engines report.", (*_COMMON, "gen_ai_token_type"))
        for (model, endpoint), series in sorted(self._models.items()):
            labels = [OPERATIONS[endpoint], PROVIDER, model]
            _add(first, labels, series.first_token)
            _add(per_token, labels, series.per_token)
            for reason, distribution in sorted(series.durations.items()):
                _add(duration, [*labels, reason], distribution)
            _add(usage, [*labels, "input"], series.input_tokens)
            _add(usage, [*labels, "output"], series.output_tokens)
        yield from (first, per_token, duration, usage)

    def _of_clients(self) -> Iterator[Metric]:
        names = ["client", "model", "endpoint"]
        first = SummaryMetricFamily(
            "slipway_gateway_client_time_to_first_token_seconds", "Streams: sum and count per client.", labels=names
        )
        cost = CounterMetricFamily("slipway_gateway_cost_dollars", "At the prices of the models.", labels=names)
        cache = CounterMetricFamily("slipway_gateway_cache", "Answers by cache result.", labels=[*names, "result"])
        refusals = CounterMetricFamily(
            "slipway_gateway_client_refusals", "Did not end as asked, per client.", labels=[*names, "reason"]
        )
        for labels, series in sorted(self._series.items()):
            if series.first_tokens:
                first.add_metric(list(labels), series.first_tokens, series.until_first_token)
            if series.cost:
                cost.add_metric(list(labels), series.cost)
            for result, count in sorted(series.cache.items()):
                cache.add_metric([*labels, result], count)
            for reason, count in sorted(series.refusals.items()):
                refusals.add_metric([*labels, reason], count)
        yield from (first, cost, cache, refusals)


def _histogram(name: str, text: str, labels: tuple[str, ...]) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, text, labels=labels)


def _add(family: HistogramMetricFamily, labels: list[str], distribution: Distribution) -> None:
    buckets = distribution.buckets()
    if buckets[-1][1]:
        family.add_metric(labels, buckets, distribution.total)
