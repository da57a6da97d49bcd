"""Prometheus metrics of one gateway process. Label values come from the configuration only, so they are few."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from serving.gateway.containment import KINDS, Contained
from serving.gateway.context import RequestContext
from serving.gateway.privacy.counting import count_findings
from serving.gateway.privacy.prefilter import ENGINE as PREFILTER_ENGINE
from serving.gateway.telemetry.config import TelemetryConfig
from serving.gateway.telemetry.generation_metrics import GenerationMetrics
from serving.gateway.telemetry.label_bound import LabelBound
from serving.gateway.telemetry.request_metrics import RequestMetrics

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_NAMESPACE = "slipway_gateway"


class Metrics:
    """All metrics, on a registry of their own. Names are `slipway_gateway_*`; `gen_ai_*` where the field has one."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._clients = LabelBound(TelemetryConfig().clients)
        self.generations = GenerationMetrics(self._clients)
        self.requests = RequestMetrics(self._clients)
        self.registry.register(self.requests)
        self.registry.register(self.generations)
        ProcessCollector(registry=self.registry)
        self.in_flight = self._gauge("requests_in_flight", "Requests at an engine now.", "model")
        self.reloads = self._counter("config_reloads", "Reloads of the configuration.", "result")
        self.reachable = self._gauge("model_reachable", "1 if an engine of the model answered the last probe.", "model")
        self.draining = self._gauge("draining", "1 once the gateway was told to stop.")
        self.log_lines_dropped = self._gauge("log_lines_dropped", "Since the start, because nobody read stdout.")
        self.certificate_expires = self._gauge("certificate_expires_timestamp_seconds", "End of the TLS certificate.")
        self.certificate_reloads = self._counter("certificate_reloads", "Changed certificate files.", "result")
        self.findings = self._counter("privacy_findings", "Personal data and secrets found.", "kind", "action")
        self.guarded = self._counter(
            "guardrail_decisions", "Stopped or not judged by a guardrail.", "client", "model", "rule", "decision"
        )
        self._contained = self._gauge("contained", "Names that are blocked in an incident.", "kind")
        prefilter = self._gauge("privacy_prefilter", "1 for the engine that looks for personal data first.", "engine")
        prefilter.labels(PREFILTER_ENGINE).set(1)

    def adopt(self, telemetry: TelemetryConfig, clients: Iterable[str]) -> None:
        """At the start and after a reload: which clients have a label of their own."""
        self._clients.adopt(telemetry.clients, clients)
        self.requests.forget_labels()
        self.generations.forget_labels()

    def adopt_contained(self, contained: Contained) -> None:
        """At the start and after a reload: how much is blocked."""
        for kind in KINDS:
            self._contained.labels(kind).set(len(getattr(contained, kind)))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=_NAMESPACE, registry=self.registry)

    def finished(self, context: RequestContext, duration: float) -> None:
        """Count one finished request."""
        self.requests.finished(context, duration)
        if context.findings is not None or context.output_findings is not None:
            count_findings(context, self.findings)
        if context.guarded is not None and context.client is not None and context.model is not None:
            labels = self._clients.label(context.client.name), context.model.name
            for rule, decision in context.guarded:
                self.guarded.labels(*labels, rule, decision).inc()
        self.generations.finished(context, duration)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
