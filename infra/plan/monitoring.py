"""What is watched of a site: which pods are scraped, and the rules that call somebody, each with its page to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from infra.plan.alert import Alert as Alert
from infra.plan.in_cluster import GATEWAY, RELEASE
from infra.plan.misuse_alerts import misuse_alerts
from infra.plan.release_alerts import release_alerts
from infra.plan.types import ModelPlan, Replicas
from infra.releases.base import released

RUNBOOKS = "docs/runbooks.md"
# Bounds that the gateway counts by (`gen_ai_server_…`): a promise is looked at up to the next of them.
FIRST_TOKEN_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
PER_TOKEN_BOUNDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
# Of the streams, so many may be slower than promised; an objective names a time and no share.
SLOW_SHARE = 0.05
# llm-d's shares of errors (docs/operations/observability/alerting.md, read 2026-08).
ERROR_SHARE, MANY_ERRORS_SHARE = 0.05, 0.20
# How fast what is allowed is used up, over a long and a short time: Google's SRE workbook, chapter 5. The share that
# 14.4 times would be of five in a hundred is nearly everybody, so that it is 6 and 3 here.
BURNS = (("1h", "5m", 6.0, "page"), ("6h", "30m", 3.0, "ticket"))
KV_SHARE = 0.95
CERTIFICATE_DAYS = 14
# A deployment renews it 60 days before its end: half of them are left for one.
ENGINE_CERTIFICATE_DAYS = 30
DAYS_OF_A_MONTH = 30.4


@dataclass(frozen=True, kw_only=True)
class Scraped:
    """Pods of one workload, and their port with metrics, which has nothing else. `monitor` is the name of the object
    that says so."""

    monitor: str
    component: str
    name: str
    port: str


@dataclass(frozen=True, kw_only=True)
class Scrape(Scraped):
    """Pods that are scraped, at that path."""

    path: str


@dataclass(frozen=True, kw_only=True)
class MonitoringPlan:
    """Everything for a Prometheus operator and a Grafana that reads ConfigMaps."""

    scrapes: tuple[Scrape, ...]
    alerts: tuple[Alert, ...]
    kv_metrics: Mapping[str, str]

    @property
    def releases(self) -> bool:
        """Whether somebody judges any."""
        return any(scrape.component == RELEASE for scrape in self.scrapes)


def monitoring_plan(
    namespace: str,
    models: Mapping[str, ModelPlan],
    engines: Mapping[str, Scraped],
    replicas: Mapping[str, Replicas],
    gateway: Mapping[str, Any],
) -> MonitoringPlan:
    """`engines` are the pods in which each model's are; `gateway` is the content of the gateway's file."""
    ours = [GATEWAY, *([RELEASE] if released(gateway) else [])]
    own = [Scraped(monitor=name, component=name, name=name, port="operations") for name in ours]
    scrapes = [Scrape(**asdict(pods), path="/metrics") for pods in (*own, *(engines[model] for model in models))]
    alerts = [*_of_gateways(namespace), *_of_clients(namespace, gateway["clients"]), *misuse_alerts(namespace)]
    alerts += release_alerts(namespace) if released(gateway) else ()
    for model, plan in models.items():
        alerts += _of_model(namespace, model, engines[model].name, plan, replicas[model], gateway["models"][model])
    return MonitoringPlan(
        scrapes=tuple(scrapes),
        alerts=tuple(alerts),
        kv_metrics={
            name: plan.container.kv_usage_metric for name, plan in models.items() if plan.container.kv_usage_metric
        },
    )


def _of_gateways(namespace: str) -> Iterator[Alert]:
    here = f'namespace="{namespace}"'
    yield Alert(
        name="SlipwayCertificateEnds",
        expression=f"min(slipway_gateway_certificate_expires_timestamp_seconds{{{here}}} > 0) - time() "
        f"< {CERTIFICATE_DAYS} * 86400",
        for_minutes=60,
        severity="ticket",
        summary=f"A gateway's certificate ends within {CERTIFICATE_DAYS} days",
        runbook="certificate-ends",
    )
    yield Alert(
        name="SlipwayUpstreamCertificateEnds",
        expression=f"min by (upstream) (slipway_gateway_upstream_certificate_expires_timestamp_seconds{{{here}}}) "
        f"- time() < {CERTIFICATE_DAYS} * 86400",
        for_minutes=60,
        severity="ticket",
        summary=f"What gateways show to {{{{ $labels.upstream }}}} ends within {CERTIFICATE_DAYS} days",
        runbook="certificate-ends",
    )
    yield Alert(
        name="SlipwayFrontDoorCertificateEnds",
        expression=f"min(certmanager_certificate_expiration_timestamp_seconds{{{here}}}) - time() "
        f"< {CERTIFICATE_DAYS} * 86400",
        for_minutes=60,
        severity="ticket",
        summary=f"The front door's certificate ends within {CERTIFICATE_DAYS} days and is not renewed",
        runbook="certificate-ends",
    )
    yield Alert(
        name="SlipwayEngineCertificateEnds",
        expression=f"min(slipway_engine_certificate_expires_timestamp_seconds{{{here}}}) - time() "
        f"< {ENGINE_CERTIFICATE_DAYS} * 86400",
        for_minutes=60,
        severity="ticket",
        summary=f"An engine's certificate ends within {ENGINE_CERTIFICATE_DAYS} days: a deployment renews it",
        runbook="certificate-ends",
    )
    yield Alert(
        name="SlipwayGpuFault",
        # The code of the last fault. Whose pod had the GPU is in one label or the other, as the exporter is scraped.
        expression=f'max by (Hostname, gpu) (DCGM_FI_DEV_XID_ERRORS{{exported_namespace="{namespace}"}} '
        f'or DCGM_FI_DEV_XID_ERRORS{{namespace="{namespace}"}}) > 0',
        for_minutes=1,
        severity="page",
        summary="GPU {{ $labels.gpu }} of {{ $labels.Hostname }} reported XID {{ $value }}",
        runbook="gpu-fault",
    )
    yield Alert(
        name="SlipwayLimitsStoreAway",
        expression=f"min(slipway_gateway_limits_store_available{{{here}}}) == 0",
        for_minutes=2,
        severity="page",
        summary="A gateway cannot reach the store in which limits are counted together",
        runbook="limits-store-away",
    )


def _of_clients(namespace: str, clients: Mapping[str, Any]) -> Iterator[Alert]:
    for name, client in clients.items():
        budget = client.get("dollars_per_month")
        if budget is None:
            continue
        spent = f'slipway_gateway_cost_dollars_total{{namespace="{namespace}",client="{name}"}}'
        yield Alert(
            name="SlipwayBudgetBurns",
            # A day's pace, and that of its last hours, so that it ends when the pace does.
            expression=f"sum(increase({spent}[1d])) * {DAYS_OF_A_MONTH} > {budget * 1.5:g} "
            f"and sum(increase({spent}[6h])) * 4 * {DAYS_OF_A_MONTH} > {budget * 1.5:g}",
            for_minutes=30,
            severity="ticket",
            summary=f"Client {name} spends its month's {budget:g} dollars in less than three weeks",
            runbook="budget-burns",
        )


def _of_model(
    namespace: str, model: str, name: str, plan: ModelPlan, replicas: Replicas, gateway: Mapping[str, Any]
) -> Iterator[Alert]:
    here = f'namespace="{namespace}",model="{model}"'
    yield from _errors(here, model)
    yield _no_replica(here, model, plan, replicas)
    promised = plan.operation
    if promised.time_to_first_token_seconds is not None:
        metric = "gen_ai_server_time_to_first_token_seconds"
        seconds = promised.time_to_first_token_seconds
        yield from _burns(namespace, model, "FirstToken", metric, seconds, FIRST_TOKEN_BOUNDS, "slow-first-token")
    if promised.time_per_output_token_milliseconds is not None:
        metric = "gen_ai_server_time_per_output_token_seconds"
        seconds = promised.time_per_output_token_milliseconds / 1000
        yield from _burns(namespace, model, "Token", metric, seconds, PER_TOKEN_BOUNDS, "slow-tokens")
    if "queue" in gateway:
        longest = gateway["queue"].get("seconds", 30.0)
        rate = f"sum by (le) (rate(slipway_gateway_queue_time_seconds_bucket{{{here}}}[5m]))"
        yield Alert(
            name="SlipwayQueueIsOld",
            expression=f"histogram_quantile(0.95, {rate}) > {longest / 2:g}",
            for_minutes=5,
            severity="ticket",
            summary=f"Requests for {model} wait for more than half of the {longest:g} s that they may",
            runbook="queue-is-old",
            model=model,
        )
    if (usage := plan.container.kv_usage_metric) is not None:
        yield Alert(
            name="SlipwayKvCacheFull",
            # By pods: not every engine says which model it is.
            expression=f'max(max_over_time({usage}{{namespace="{namespace}",pod=~"{name}-.*"}}[5m])) > {KV_SHARE}',
            for_minutes=10,
            severity="ticket",
            summary=f"The KV cache of an engine of {model} is more than {KV_SHARE:.0%} full",
            runbook="kv-cache-full",
            model=model,
        )


def _errors(here: str, model: str) -> Iterator[Alert]:
    for share, minutes, window, severity in (
        (ERROR_SHARE, 10, "10m", "ticket"),
        (MANY_ERRORS_SHARE, 5, "5m", "page"),
    ):
        every = f"sum(rate(slipway_gateway_requests_total{{{here}}}[{window}]))"
        failed = f'sum(rate(slipway_gateway_requests_total{{{here},code=~"5.."}}[{window}]))'
        yield Alert(
            name="SlipwayErrors" if severity == "ticket" else "SlipwayManyErrors",
            expression=f"{failed} / {every} > {share:g}",
            for_minutes=minutes,
            severity=severity,
            summary=f"More than {share:.0%} of the requests for {model} fail",
            runbook="errors",
            model=model,
        )


def _no_replica(here: str, model: str, plan: ModelPlan, replicas: Replicas) -> Alert:
    ready = f'sum(slipway_gateway_replicas{{{here},state="trusted"}})'
    if replicas.min:
        return Alert(
            name="SlipwayNoReplica",
            expression=f"{ready} == 0",
            for_minutes=2,
            severity="page",
            summary=f"No engine of {model} is ready",
            runbook="no-ready-replica",
            model=model,
        )
    start = plan.cold_start
    waiting = f'sum(slipway_gateway_requests_waiting{{{here},why="held"}})'
    return Alert(
        name="SlipwayNoReplica",
        expression=f"{ready} == 0 and {waiting} > 0",
        # None is what there is while nobody asks; who asks waits for a start, and no longer.
        for_minutes=2 + -int(-(start.total_seconds if start else 3600) // 60),
        severity="page",
        summary=f"Requests for {model} are held for longer than an engine takes to start",
        runbook="no-ready-replica",
        model=model,
    )


def _burns(
    namespace: str, model: str, what: str, metric: str, seconds: float, bounds: tuple[float, ...], runbook: str
) -> Iterator[Alert]:
    """None for a promise beyond the last bound: nobody counts there."""
    bound = next((bound for bound in bounds if bound >= seconds), None)
    if bound is None:
        return
    here = f'namespace="{namespace}",gen_ai_request_model="{model}"'
    for long, short, times, severity in BURNS:
        slow = " and ".join(
            f'1 - sum(rate({metric}_bucket{{{here},le="{float(bound)}"}}[{window}])) '
            f"/ sum(rate({metric}_count{{{here}}}[{window}])) > {times * SLOW_SHARE:g}"
            for window in (long, short)
        )
        yield Alert(
            name=f"Slipway{what}Slow" if severity == "ticket" else f"Slipway{what}VerySlow",
            expression=slow,
            for_minutes=2,
            severity=severity,
            summary=f"More than {times * SLOW_SHARE:.0%} of the streams of {model} are slower than {bound:g} s "
            f"({'to the first token' if what == 'FirstToken' else 'for a token'})",
            runbook=runbook,
            model=model,
        )
