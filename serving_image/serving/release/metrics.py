"""What the judge knows of releases, for Prometheus: names are `slipway_release_*`, labels are models and constants.

What gateways count of both versions is theirs to say (`slipway_gateway_release_*`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, get_args

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.release.evidence import Verdict
from serving.release.history import CriterionName, Look, Phase
from serving.release.rules import ReleaseRules
from serving.release.state import ReleaseState, States

_PREFIX = "slipway_release_"
# Why one may have been rolled back.
REASONS = (*get_args(CriterionName), "evaluation", "by_hand")


class Ruled(Protocol):
    """What is known of one model's release."""

    @property
    def rules(self) -> ReleaseRules: ...


class Judged(Collector):
    """The last look that could be kept; nothing before the first one, so that its absence can be told."""

    def __init__(self) -> None:
        self._seen: tuple[Mapping[str, Ruled], States, float] | None = None

    def adopt(self, releases: Mapping[str, Ruled], states: States, now: float) -> None:
        """After a look: at once and whole, as another thread reads it."""
        self._seen = (releases, states, now)

    def describe(self) -> Iterator[Metric]:
        """Names are known without a look."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        if self._seen is None:
            return
        releases, states, now = self._seen
        text = "When the judge last looked and kept what it found."
        yield GaugeMetricFamily(f"{_PREFIX}last_look_timestamp_seconds", text, value=now)
        known = {model: (release.rules, states[model]) for model, release in releases.items()}
        yield from _progress(known)
        yield from _evidence({model: state.history[-1] for model, (_, state) in known.items() if state.history})


def serve(judged: Judged, address: str, port: int) -> int:
    """Serves them from a thread of its own. Returns the port, also where 0 was asked for."""
    registry = CollectorRegistry()
    registry.register(judged)
    server, _ = start_http_server(port, address, registry)
    return server.server_port


def _progress(known: Mapping[str, tuple[ReleaseRules, ReleaseState]]) -> Iterator[Metric]:
    percent = _gauge("percent", "Of requests, or copied, that the candidate is to get now.", "candidate")
    step = _gauge("step", "Index of the step; -1 before the first.")
    hold = _gauge("hold_seconds", "How long each step lasts at least.")
    first = _gauge("first_token_limit_seconds", "What the 95th percentile is held to.")
    decided = _gauge("last_decision_timestamp_seconds", "When the last step began, or it ended.")
    phase = _gauge("phase", "1 for where the release is.", "phase")
    back = _gauge("rolled_back", "1 for why it was rolled back, while it is.", "reason")
    passed = _gauge("evaluation_passed", "Whether the last evaluation of the candidate passed.")
    right = _gauge("evaluation_right_percent", "Of the candidate's answers to the last evaluation.")
    for model, (rules, state) in known.items():
        percent.add_metric((model, rules.candidate), state.percent)
        step.add_metric((model,), state.step)
        hold.add_metric((model,), rules.hold_seconds)
        if rules.first_token_seconds is not None:
            first.add_metric((model,), rules.first_token_seconds)
        decided.add_metric((model,), state.log[-1].at if state.log else state.since)
        for name in get_args(Phase):
            phase.add_metric((model, name), state.phase == name)
        reasons = state.reasons
        for reason in REASONS:
            back.add_metric((model, reason), reason in reasons)
        if state.evaluation is not None and state.evaluation.passed is not None:
            passed.add_metric((model,), state.evaluation.passed)
            right.add_metric((model,), state.evaluation.right_percent or 0.0)
    yield from (percent, step, hold, first, decided, phase, back, passed, right)


def _evidence(looks: Mapping[str, Look]) -> Iterator[Metric]:
    """Of the last look that found something new."""
    samples = _gauge("samples", "Since the step began; of the old version since the release did.", "version", "of")
    ratio = _gauge("log_likelihood_ratio", "Of too bad against good enough.", "criterion")
    bound = _gauge("log_likelihood_ratio_bound", "Where it lets on, and where it rolls back.", "criterion", "bound")
    limit = _gauge("limit_percent", "Of bad ones, as the test takes it.", "criterion")
    verdict = _gauge("verdict", "1 for what the test says.", "criterion", "verdict")
    for model, look in looks.items():
        for version, figures in (("stable", look.stable), ("candidate", look.candidate)):
            if figures is not None:
                samples.add_metric((model, version, "answers"), figures.answers)
                samples.add_metric((model, version, "first_tokens"), figures.first_tokens)
        for criterion in look.criteria:
            ratio.add_metric((model, criterion.name), criterion.ratio)
            bound.add_metric((model, criterion.name, "passes_at"), criterion.passes_at)
            bound.add_metric((model, criterion.name, "ends_at"), criterion.ends_at)
            limit.add_metric((model, criterion.name), criterion.limit_percent)
            for name in get_args(Verdict):
                verdict.add_metric((model, criterion.name, name), criterion.verdict == name)
    yield from (samples, ratio, bound, limit, verdict)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=("model", *labels))
