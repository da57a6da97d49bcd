"""Grafana dashboards as data: a model, the gateways, what it costs, releases. Metrics are the gateway's own, the
engines' and the judge's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# A panel: its title, its unit as Grafana calls it, and its queries with what each is called.
Panel = tuple[str, str, Sequence[tuple[str, str]]]
_MODEL = 'namespace="{namespace}",model=~"$model"'
_STREAMS = 'namespace="{namespace}",gen_ai_request_model=~"$model"'
_ALL = 'namespace="{namespace}"'


def dashboards(namespace: str, kv_metrics: Mapping[str, str], *, releases: bool) -> dict[str, dict[str, Any]]:
    """By file name. `kv_metrics` are the engines' own, by model; `releases`: some are judged."""
    found = {
        "slipway-model.json": _dashboard(namespace, "model", "slipway: models", _model(kv_metrics), by_model=True),
        "slipway-gateway.json": _dashboard(namespace, "gateway", "slipway: gateways", _gateway(), by_model=False),
        "slipway-cost.json": _dashboard(namespace, "cost", "slipway: cost", _cost(), by_model=False),
    }
    if releases:
        board = _dashboard(namespace, "release", "slipway: releases", _release(), by_model=True)
        found["slipway-release.json"] = board | {"annotations": {"list": [_verdicts(namespace)]}}
    return found


def _model(kv_metrics: Mapping[str, str]) -> list[Panel]:
    first, token = "gen_ai_server_time_to_first_token_seconds", "gen_ai_server_time_per_output_token_seconds"
    panels: list[Panel] = [
        ("Requests", "reqps", [(_rate("slipway_gateway_requests_total", _MODEL, "code"), "{{code}}")]),
        ("Time to first token", "s", _quantiles(first, _STREAMS)),
        ("Time per output token", "s", _quantiles(token, _STREAMS)),
        ("At engines", "short", [(f"sum by (model) (slipway_gateway_requests_in_flight{{{_MODEL}}})", "{{model}}")]),
        ("Waiting", "short", [(f"sum by (why) (slipway_gateway_requests_waiting{{{_MODEL}}})", "{{why}}")]),
        ("Time in the queue", "s", _quantiles("slipway_gateway_queue_time_seconds", _MODEL)),
        (
            "Replicas",
            "short",
            [(f"max by (state) (slipway_gateway_replicas{{{_MODEL}}})", "{{state}}")],
        ),
        ("Tokens", "short", [(_rate("slipway_gateway_output_tokens_total", _MODEL, "model"), "{{model}} out")]),
    ]
    if kv_metrics:
        used = [(f"max by (pod) ({metric}{{{_ALL}}})", "{{pod}}") for metric in sorted({*kv_metrics.values()})]
        panels.append(("KV cache in use", "percentunit", used))
    return panels


def _gateway() -> list[Panel]:
    return [
        ("Requests by client", "reqps", [(_rate("slipway_gateway_requests_total", _ALL, "client"), "{{client}}")]),
        ("Refused and failed", "reqps", [(_rate("slipway_gateway_refusals_total", _ALL, "reason"), "{{reason}}")]),
        ("Time to first byte", "s", _quantiles("slipway_gateway_time_to_first_byte_seconds", _ALL)),
        ("Duration", "s", _quantiles("slipway_gateway_request_duration_seconds", _ALL)),
        ("Extra calls", "reqps", [(_rate("slipway_gateway_retries_total", _ALL, "model"), "{{model}}")]),
        ("Ejected replicas", "reqps", [(_rate("slipway_gateway_ejections_total", _ALL, "model"), "{{model}}")]),
        ("Personal data found", "reqps", [(_rate("slipway_gateway_privacy_findings_total", _ALL, "kind"), "{{kind}}")]),
        ("Processor time", "short", [(_rate("process_cpu_seconds_total", _ALL, "pod"), "{{pod}}")]),
        ("Memory", "bytes", [(f"max by (pod) (process_resident_memory_bytes{{{_ALL}}})", "{{pod}}")]),
    ]


def _cost() -> list[Panel]:
    spent = "slipway_gateway_cost_dollars_total"
    return [
        ("Dollars an hour, by client", "currencyUSD", [(f"{_rate(spent, _ALL, 'client')} * 3600", "{{client}}")]),
        ("Dollars an hour, by model", "currencyUSD", [(f"{_rate(spent, _ALL, 'model')} * 3600", "{{model}}")]),
        ("Dollars in 30 days", "currencyUSD", [(f"sum by (client) (increase({spent}{{{_ALL}}}[30d]))", "{{client}}")]),
        ("Prompt tokens", "short", [(_rate("slipway_gateway_prompt_tokens_total", _ALL, "client"), "{{client}}")]),
        ("Answer tokens", "short", [(_rate("slipway_gateway_output_tokens_total", _ALL, "client"), "{{client}}")]),
        ("Answers from the cache", "reqps", [(_rate("slipway_gateway_cache_total", _ALL, "result"), "{{result}}")]),
    ]


def _release() -> list[Panel]:
    answers, limits = "slipway_gateway_release_answers_total", "slipway_release_limit_percent"
    failed = _rate(answers, f'{_MODEL},result="failed"', "version")
    waited = "slipway_gateway_release_first_token_seconds_bucket"
    upto = f"sum by (le, version) (rate({waited}{{{_MODEL}}}[$__rate_interval]))"
    return [
        (
            "Share of the candidate",
            "percent",
            [(_most("slipway_release_percent", "model, candidate"), "{{candidate}}")],
        ),
        ("Step", "short", [(_most("slipway_release_step", "model"), "{{model}}")]),
        (
            "Failed answers",
            "percent",
            [
                (f"100 * {failed} / {_rate(answers, _MODEL, 'version')}", "{{version}}"),
                (f'max by (model) ({limits}{{{_MODEL},criterion="error_rate"}})', "limit"),
            ],
        ),
        (
            "Time to first token, p95",
            "s",
            [
                (f"histogram_quantile(0.95, {upto})", "{{version}}"),
                (_most("slipway_release_first_token_limit_seconds", "model"), "limit"),
            ],
        ),
        (
            "Ratio of likelihoods: 0 lets on, 1 rolls back",
            "short",
            [(_between_bounds(), "{{criterion}}")],
        ),
        ("Samples of the step", "short", [(_most("slipway_release_samples", "version, of"), "{{version}}: {{of}}")]),
    ]


def _between_bounds() -> str:
    """Where the ratio is from one bound to the other: then one axis fits all criteria."""
    ratio, bound = "slipway_release_log_likelihood_ratio", "slipway_release_log_likelihood_ratio_bound"
    low, high = (f'max by (model, criterion) ({bound}{{{_MODEL},bound="{name}"}})' for name in ("passes_at", "ends_at"))
    return f"(max by (model, criterion) ({ratio}{{{_MODEL}}}) - {low}) / ({high} - {low})"


def _verdicts(namespace: str) -> dict[str, Any]:
    """Marks the moment at which a release is done or rolled back."""
    ended = f'max by (model, phase) (slipway_release_phase{{namespace="{namespace}",phase=~"done|rolled_back"}}'
    return {
        "name": "Verdicts",
        "enable": True,
        "iconColor": "red",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "expr": f"{ended}) == 1 unless {ended} offset 1m) == 1",
        "step": "60s",
        "titleFormat": "{{model}}: {{phase}}",
    }


def _most(metric: str, by: str) -> str:
    return f"max by ({by}) ({metric}{{{_MODEL}}})"


def _rate(metric: str, selected: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{selected}}}[$__rate_interval]))"


def _quantiles(metric: str, selected: str) -> list[tuple[str, str]]:
    buckets = f"sum by (le) (rate({metric}_bucket{{{selected}}}[$__rate_interval]))"
    return [(f"histogram_quantile({share}, {buckets})", f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)]


def _dashboard(namespace: str, name: str, title: str, panels: Sequence[Panel], *, by_model: bool) -> dict[str, Any]:
    variables: list[dict[str, Any]] = [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
    if by_model:
        query = f'label_values(slipway_gateway_replicas{{namespace="{namespace}"}}, model)'
        source = {"type": "prometheus", "uid": "${datasource}"}
        variables.append(
            {
                "name": "model",
                "type": "query",
                "datasource": source,
                "query": query,
                "refresh": 2,
                "multi": True,
                "includeAll": True,
                "allValue": ".*",
            }
        )
    return {
        "uid": f"slipway-{namespace}-{name}"[:40],
        "title": title,
        "tags": ["slipway"],
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "schemaVersion": 39,
        "templating": {"list": variables},
        "panels": [_panel(namespace, index, *panel) for index, panel in enumerate(panels)],
    }


def _panel(namespace: str, index: int, title: str, unit: str, queries: Sequence[tuple[str, str]]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "gridPos": {"h": 8, "w": 12, "x": index % 2 * 12, "y": index // 2 * 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": source,
                "expr": expression.replace("{namespace}", namespace),
                "legendFormat": legend,
            }
            for place, (expression, legend) in enumerate(queries)
        ],
    }
