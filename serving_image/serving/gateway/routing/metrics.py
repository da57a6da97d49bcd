"""Metrics of routing and waiting: read from the pools when somebody scrapes, so that counting costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.gateway.routing.pool import Pool
from serving.gateway.routing.replica import Replica, State
from serving.gateway.routing.versions import CANDIDATE, STABLE
from serving.gateway.waiting.measures import QUEUE_SECONDS

_PREFIX = "slipway_gateway_"
_STATES = {State.CLOSED: "trusted", State.OPEN: "ejected", State.TRIAL: "on_trial", State.COOLING: "cooling"}


def condition(replica: Replica) -> str:
    """One word for whether a replica gets requests: its breaker's state, or that its probes fail."""
    silent = replica.state == State.CLOSED and replica.asked and not replica.reachable
    return "unreachable" if silent else _STATES[replica.state]


class RoutingCollector(Collector):
    """Labels are models and constants: replicas come and go, so they are counted by state and not named."""

    def __init__(self, pools: Callable[[], dict[str, Pool]]) -> None:
        self._pools = pools

    def describe(self) -> Iterator[Metric]:
        """Names are known without asking the pools, which may not exist yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        pools = self._pools()
        replicas = GaugeMetricFamily(f"{_PREFIX}replicas", "Replicas by breaker state.", labels=("model", "state"))
        waiting = GaugeMetricFamily(
            f"{_PREFIX}requests_waiting", "Requests waiting for a free or a ready replica.", labels=("model", "why")
        )
        shadow = CounterMetricFamily(f"{_PREFIX}shadow_requests", "Copies by result.", labels=("model", "result"))
        for name, pool in pools.items():
            counts = dict.fromkeys([*_STATES.values(), "unreachable"], 0)
            for replica in pool.replicas:
                counts[condition(replica)] += 1
            for state, count in counts.items():
                replicas.add_metric((name, state), count)
            queued, held = pool.waiting()
            waiting.add_metric((name, "queued"), queued)
            waiting.add_metric((name, "held"), held)
            for result, count in pool.counters.shadow.items():
                shadow.add_metric((name, result), count)
        yield from (replicas, waiting, shadow)
        yield from _overflow(pools)
        yield from _versions(pools)
        for attribute, text in (
            ("ejections", "Replicas ejected for failures or hanging."),
            ("hangs", "Those of them that hung."),
            ("recoveries", "Replicas taken back."),
            ("retries", "Extra calls after a failed one."),
            ("retries_denied", "Extra calls that the retry budget did not allow."),
            ("fallbacks", "Calls that this model served instead of another one."),
            ("queue_refusals", "Requests that found the queue full or waited too long."),
        ):
            family = CounterMetricFamily(f"{_PREFIX}{attribute}", text, labels=("model",))
            for name, pool in pools.items():
                family.add_metric((name,), getattr(pool.counters, attribute))
            yield family
        yield from QUEUE_SECONDS.collect()


def _overflow(pools: dict[str, Pool]) -> Iterator[Metric]:
    """Requests that left for another site, by where it is and why, and those that were to and stayed."""
    went = CounterMetricFamily(
        f"{_PREFIX}overflows", "Requests that another site got.", labels=("model", "boundary", "reason")
    )
    kept = CounterMetricFamily(
        f"{_PREFIX}overflows_kept", "Requests that were to go to another site, and stayed.", labels=("model", "reason")
    )
    for name, pool in pools.items():
        for (boundary, reason), count in pool.counters.overflows.items():
            went.add_metric((name, boundary, reason), count)
        for reason, count in pool.counters.kept.items():
            kept.add_metric((name, reason), count)
    yield from (went, kept)


def _versions(pools: dict[str, Pool]) -> Iterator[Metric]:
    """What a judge of releases looks at."""
    percent = GaugeMetricFamily(
        f"{_PREFIX}release_percent", "Of requests, or copied, to the candidate.", labels=("model", "release")
    )
    labels = ("model", "version", "result")
    answers = CounterMetricFamily(f"{_PREFIX}release_answers", "Calls while a version is released.", labels=labels)
    first = CounterMetricFamily(f"{_PREFIX}release_first_tokens", "Of streams, against the limit.", labels=labels)
    waited = HistogramMetricFamily(
        f"{_PREFIX}release_first_token_seconds", "Streams: from call to first token.", labels=("model", "version")
    )
    for name, pool in pools.items():
        if pool.versions is None:
            continue
        percent.add_metric((name, pool.versions.release), pool.versions.percent)
        for label, version in ((STABLE, pool.versions.stable), (CANDIDATE, pool.versions.candidate)):
            answers.add_metric((name, label, "good"), version.good)
            answers.add_metric((name, label, "failed"), version.failed)
            first.add_metric((name, label, "in_time"), version.in_time)
            first.add_metric((name, label, "late"), version.late)
            waited.add_metric((name, label), version.first_token.buckets(), version.first_token.total)
    yield from (percent, answers, first, waited)
