"""Rules and dashboards: every metric and label is one that the gateway or an engine really has, every page is there."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from infra.engines import ENGINES
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.dashboards import dashboards
from infra.plan.monitoring import FIRST_TOKEN_BOUNDS, PER_TOKEN_BOUNDS, RUNBOOKS, Alert, MonitoringPlan
from serving.gateway.containment import NOTHING
from serving.gateway.guardrails.refusals import Decision
from serving.gateway.limits.metrics import LimitsCollector
from serving.gateway.metrics import Metrics
from serving.gateway.routing.counters import Counters
from serving.gateway.routing.metrics import RoutingCollector
from serving.gateway.routing.replica import Outcome
from serving.gateway.routing.versions import Versions
from serving.gateway.telemetry import distribution, generation_metrics
from serving.gateway.upstream_certificates import UpstreamCertificates
from serving.gateway.waiting.measures import QUEUE_SECONDS
from serving.launcher.engine_door import EXPIRY
from serving.release.history import Phase
from tests.components.engines import DIGEST, GGUF, document, serving
from tests.judged import judge

ROOT = Path(__file__).resolve().parents[2]
# No gateway's: NVIDIA's DCGM exporter and cert-manager, which say what nobody else knows.
OTHERS = {
    "DCGM_FI_DEV_XID_ERRORS": {"Hostname", "gpu", "namespace", "exported_namespace"},
    # The launcher's, in front of an engine's own.
    EXPIRY: {"namespace"},
    "certmanager_certificate_expiration_timestamp_seconds": {"namespace"},
}
# What the engines' documentation calls them (vLLM 0.33, SGLang 0.5.23, TensorRT-LLM 1.2; read 2026-11).
OF_ENGINES = {"vllm:kv_cache_usage_perc", "sglang:token_usage", "trtllm_kv_cache_utilization"}
# Prometheus adds them to whatever it scrapes from a pod.
ADDED = {"namespace", "pod"}
OBJECTIVE = {
    "concurrent_users": 8,
    "time_to_first_token_seconds": 2.0,
    "time_per_output_token_milliseconds": 60,
    "availability_percent": 99.0,
}


@pytest.fixture(scope="module")
def plan() -> MonitoringPlan:
    found = serving(objective=OBJECTIVE, queue={"size": 10}, gateway={}).monitoring
    assert found
    return found


@pytest.fixture(scope="module")
def releasing() -> MonitoringPlan:
    """Of a site where a model is released."""
    whole = document()
    chat = whole["models"]["chat"]
    whole["models"] = {"chat": {**chat, "release": {"kind": "canary", "candidate": "next"}}, "next": chat}
    whole["clients"]["web"]["models"] = ["chat", "next"]
    found = build_plan(validate(whole, "case", {}), "case").sites["here"].details.serving.monitoring
    assert found
    return found


@pytest.fixture(scope="module")
def every(plan: MonitoringPlan, releasing: MonitoringPlan) -> list[MonitoringPlan]:
    """Whatever a rule may depend on."""
    found = serving(scaling={"min_replicas": 0, "max_replicas": 1}, hold={"seconds": 3600}).monitoring
    assert found
    return [plan, found, releasing]


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Every series of a gateway that has served one request, with its labels."""
    metrics = Metrics()
    named = SimpleNamespace(name="x")
    one: Any = SimpleNamespace(
        client=named,
        model=named,
        endpoint="chat_completions",
        status=200,
        stream=True,
        started_at=1.0,
        first_byte_at=2.0,
        prompt_tokens=3,
        output_tokens=4,
        reason="timeout",
        cost=1.0,
        cache_result="hit",
        findings=None,
        output_findings=None,
        guarded=None,
    )
    metrics.finished(one, 3.0)
    one.reason = ""
    metrics.finished(one, 3.0)
    metrics.in_flight.labels("x").set(0)
    metrics.findings.labels("email", "masked").inc()
    metrics.guarded.labels("x", "x", "rule", "refused").inc()
    metrics.certificate_reloads.labels("done").inc()
    metrics.adopt_contained(NOTHING)
    QUEUE_SECONDS.labels("x").observe(1)
    versions = Versions("x")
    versions.count("x", Outcome.GOOD, 1.0, 1.5, 2.0)
    shown = SimpleNamespace(trust=SimpleNamespace(expires_at=1.0), config=SimpleNamespace(url="https://x"))
    pool: Any = SimpleNamespace(
        replicas=[], waiting=lambda: (0, 0), counters=Counters(), versions=versions, sources=[shown]
    )
    metrics.registry.register(RoutingCollector(lambda: {"x": pool}))
    metrics.registry.register(UpstreamCertificates(lambda: {"x": pool}, metrics, cast(Any, None)))
    store = SimpleNamespace(leasing=True, exchanges=0, failures=0)
    metrics.registry.register(LimitsCollector(cast(Any, SimpleNamespace(store=store))))
    found: defaultdict[str, set[str]] = defaultdict(set)
    for family in (*metrics.registry.collect(), *judge().collect()):
        for sample in family.samples:
            found[sample.name] |= {*sample.labels}
    return dict(found)


def expressions(plan: MonitoringPlan) -> list[str]:
    boards = dashboards("slipway", plan.kv_metrics, releases=plan.releases)
    drawn = [target["expr"] for board in boards.values() for panel in board["panels"] for target in panel["targets"]]
    asked = [
        variable["query"].partition("(")[2].rpartition(",")[0]
        for board in boards.values()
        for variable in board["templating"]["list"]
        if variable["type"] == "query"
    ]
    marked = [one["expr"] for board in boards.values() for one in board.get("annotations", {}).get("list", ())]
    return [*(alert.expression for alert in plan.alerts), *drawn, *asked, *marked]


def test_every_metric_is_one_that_somebody_has(every: list[MonitoringPlan], known: dict[str, set[str]]) -> None:
    used = {name for plan in every for text in expressions(plan) for name in re.findall(r"([a-zA-Z_:][\w:]*)\{", text)}
    assert used
    assert used - {*known} - {*OTHERS} - OF_ENGINES == set()


@pytest.mark.parametrize("which", ["plan", "releasing"])
def test_every_label_is_one_that_the_metric_has(
    which: str, request: pytest.FixtureRequest, known: dict[str, set[str]]
) -> None:
    plan: MonitoringPlan = request.getfixturevalue(which)
    labels = {**known, **OTHERS, **{name: set[str]() for name in OF_ENGINES}}
    for text in expressions(plan):
        for name, selected in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", text):
            assert set(re.findall(r"(\w+)=~?\"", selected)) <= labels[name] | ADDED, text
    for text in expressions(plan):
        whole = {label for name in re.findall(r"([a-zA-Z_:][\w:]*)\{", text) for label in labels[name]}
        for grouped in re.findall(r"by \(([^)]*)\)", text):
            assert set(re.split(r",\s*", grouped)) <= whole | ADDED | {"le"}, text


def test_engines_use_the_documented_names() -> None:
    found = {
        kind: serving(**({"engine": {"kind": kind, "image": DIGEST}} if kind != "llama_cpp" else GGUF)).engines["chat"]
        for kind in ENGINES.builtin
    }
    assert {engine.container.kv_usage_metric for engine in found.values()} - {None} == OF_ENGINES


def test_bounds_are_the_gateways() -> None:
    assert FIRST_TOKEN_BOUNDS == distribution.FIRST_TOKEN
    assert PER_TOKEN_BOUNDS == generation_metrics._PER_TOKEN  # pyright: ignore[reportPrivateUsage]


def test_a_promise_is_asked_at_a_bound_that_is_counted(plan: MonitoringPlan) -> None:
    asked = {
        (name, bound)
        for alert in plan.alerts
        for name, bound in re.findall(r'(gen_ai\w+)_bucket\{[^}]*le="([^"]+)"', alert.expression)
    }
    assert {bound for _, bound in asked} == {"2.5", "0.075"}
    counted = {str(float(bound)) for bound in (*distribution.FIRST_TOKEN, *PER_TOKEN_BOUNDS)}
    assert {bound for _, bound in asked} <= counted


def by_name(plan: MonitoringPlan) -> dict[str, Alert]:
    assert len({(alert.name, alert.model, alert.expression) for alert in plan.alerts}) == len(plan.alerts)
    return {alert.name: alert for alert in plan.alerts}


def test_what_is_watched(plan: MonitoringPlan) -> None:
    assert {*by_name(plan)} == {
        *("SlipwayCertificateEnds", "SlipwayFrontDoorCertificateEnds", "SlipwayEngineCertificateEnds"),
        *("SlipwayUpstreamCertificateEnds", "SlipwayGpuFault", "SlipwayLimitsStoreAway"),
        *("SlipwayErrors", "SlipwayManyErrors", "SlipwayNoReplica", "SlipwayQueueIsOld", "SlipwayKvCacheFull"),
        *("SlipwayFirstTokenSlow", "SlipwayFirstTokenVerySlow", "SlipwayTokenSlow", "SlipwayTokenVerySlow"),
        *("SlipwayClientRefused", "SlipwayStrangers", "SlipwayClientSurges", "SlipwayPromptsStopped"),
        *("SlipwayPersonalData", "SlipwayContained"),
    }


def test_nothing_is_promised_and_nobody_is_called() -> None:
    found = serving().monitoring
    assert found
    assert not [alert.name for alert in found.alerts if "Token" in alert.name or "Queue" in alert.name]


def test_no_replica_is_no_trouble_where_nobody_asks() -> None:
    found = serving(scaling={"min_replicas": 0, "max_replicas": 1}, hold={"seconds": 3600}).monitoring
    assert found
    alert = by_name(found)["SlipwayNoReplica"]
    assert 'why="held"' in alert.expression
    assert alert.for_minutes > 15


def test_a_budget_that_ends_too_soon() -> None:
    whole = document(price={"input_dollars_per_million_tokens": 1.0, "output_dollars_per_million_tokens": 2.0})
    whole["clients"]["web"]["dollars_per_month"] = 100
    found = build_plan(validate(whole, "case", {}), "case").sites["here"].details.serving.monitoring
    alert = by_name(found)["SlipwayBudgetBurns"]
    assert 'client="web"' in alert.expression
    assert "> 150" in alert.expression


def test_misuse_calls_somebody(plan: MonitoringPlan) -> None:
    alerts = by_name(plan)
    asked = {
        "SlipwayClientRefused": "by (client)",
        "SlipwayStrangers": 'client="unknown",code="401"',
        "SlipwayClientSurges": "offset 2h",
        "SlipwayPromptsStopped": "by (client, rule)",
        "SlipwayPersonalData": "by (kind)",
        "SlipwayContained": "by (kind)",
    }
    for name, words in asked.items():
        assert words in alerts[name].expression, name
    # The gateway's own word for it: another would ring for ever or never.
    (word,) = re.findall(r'decision="(\w+)"', alerts["SlipwayPromptsStopped"].expression)
    assert word in get_args(Decision)
    assert f'decision="{word}"' in alerts["SlipwayPromptsStopped"].expression


def test_releases_call_somebody_where_there_are_any(plan: MonitoringPlan, releasing: MonitoringPlan) -> None:
    more = {name: alert for name, alert in by_name(releasing).items() if name not in by_name(plan)}
    assert {*more} == {"SlipwayReleaseRolledBack", "SlipwayReleaseStuck", "SlipwayReleaseNotJudged"}
    assert "by (model, reason)" in more["SlipwayReleaseRolledBack"].expression
    # The judge's own words: with others they would never ring.
    said = {(name, value) for alert in more.values() for name, value in re.findall(r'(\w+)="(\w+)"', alert.expression)}
    assert said == {("namespace", "slipway"), ("phase", "running")}
    assert "running" in get_args(Phase)
    # Whoever is gone says nothing any more, not even how old it is.
    assert "absent(" in more["SlipwayReleaseNotJudged"].expression
    assert [scrape.component for scrape in releasing.scrapes if scrape.component == "release"] == ["release"]
    assert not plan.releases


def test_every_alert_has_its_page_and_every_page_its_alert(every: list[MonitoringPlan]) -> None:
    text = (ROOT / RUNBOOKS).read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    alerts = [alert for plan in every for alert in plan.alerts]
    for alert in alerts:
        assert f"`{alert.name}`" in sections[alert.runbook]
    named = set(re.findall(r"`(Slipway\w+)`", text))
    assert named == {*(alert.name for alert in alerts), "SlipwayBudgetBurns"}
    assert {alert.runbook for alert in alerts} | {"budget-burns"} == {*sections}


def test_pages_name_metrics_that_are_there(known: dict[str, set[str]]) -> None:
    text = (ROOT / RUNBOOKS).read_text(encoding="utf-8")
    names = set(re.findall(r"`((?:slipway_gateway|slipway_release|gen_ai)_\w+)`", text))
    assert names
    assert not [name for name in names if name not in known and f"{name}_count" not in known]


@pytest.mark.parametrize("releases", [True, False])
def test_dashboards_are_what_grafana_reads(plan: MonitoringPlan, releases: bool) -> None:
    boards = dashboards("slipway", plan.kv_metrics, releases=releases)
    of_releases = {"slipway-release.json"} if releases else set[str]()
    assert {*boards} == {"slipway-model.json", "slipway-gateway.json", "slipway-cost.json"} | of_releases
    assert len({board["uid"] for board in boards.values()}) == len(boards)
    for board in boards.values():
        json.dumps(board)
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert "{namespace}" not in json.dumps(board)
