"""Alerts about who calls, not about what serves.

Keys that are tried, clients that are refused or suddenly spend, prompts that guardrails stop, personal data where there
was little, and blocks that somebody forgot.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.alert import Alert

# Bounds of ours, to be moved by who knows the clients; each is a share and a number, so that few requests ring nothing.
FEWEST_REFUSED, REFUSED_SHARE = 100, 0.5
STRANGERS = 300
SURGE_TIMES, FEWEST_SURGE_TOKENS = 10, 100_000
STOPPED = 20
FINDINGS_TIMES, FEWEST_FINDINGS = 5, 50


def misuse_alerts(namespace: str) -> Iterator[Alert]:
    """Of a site. Clients without a label of their own (`gateway.metrics.clients`) count together as `other`."""
    here = f'namespace="{namespace}"'
    requests = "slipway_gateway_requests_total"
    refused = f'sum by (client) (increase({requests}{{{here},client!="unknown",code=~"4.."}}[15m]))'
    every = f'sum by (client) (increase({requests}{{{here},client!="unknown"}}[15m]))'
    yield Alert(
        name="SlipwayClientRefused",
        expression=f"{refused} > {FEWEST_REFUSED} and {refused} / {every} > {REFUSED_SHARE:g}",
        for_minutes=15,
        severity="ticket",
        summary="Most requests of client {{ $labels.client }} are refused",
        runbook="misuse",
    )
    yield Alert(
        name="SlipwayStrangers",
        expression=f'sum(increase({requests}{{{here},client="unknown",code="401"}}[15m])) > {STRANGERS}',
        for_minutes=5,
        severity="ticket",
        summary="Somebody tries keys: {{ $value }} requests in a quarter of an hour without a good one",
        runbook="misuse",
    )
    tokens = f"slipway_gateway_output_tokens_total{{{here}}}"
    now = f"sum by (client) (increase({tokens}[1h]))"
    yield Alert(
        name="SlipwayClientSurges",
        # Against the same client's own mean of a day that ended before it began.
        expression=f"{now} > {FEWEST_SURGE_TOKENS} "
        f"and {now} > {SURGE_TIMES} * sum by (client) (increase({tokens}[1d] offset 2h)) / 24",
        for_minutes=15,
        severity="ticket",
        summary=f"Client {{{{ $labels.client }}}} takes {SURGE_TIMES} times the tokens that it took yesterday",
        runbook="misuse",
    )
    yield Alert(
        name="SlipwayPromptsStopped",
        expression="sum by (client, rule) (increase("
        f'slipway_gateway_guardrail_decisions_total{{{here},decision="refused"}}[1h])) > {STOPPED}',
        for_minutes=5,
        severity="ticket",
        summary="Rule {{ $labels.rule }} stops prompts or answers of client {{ $labels.client }} again and again",
        runbook="prompts-stopped",
    )
    found = f"slipway_gateway_privacy_findings_total{{{here}}}"
    yield Alert(
        name="SlipwayPersonalData",
        expression=f"sum by (kind) (increase({found}[1h])) > {FEWEST_FINDINGS} and sum by (kind) "
        f"(increase({found}[1h])) > {FINDINGS_TIMES} * sum by (kind) (increase({found}[1d] offset 2h)) / 24",
        for_minutes=15,
        severity="ticket",
        summary=f"{FINDINGS_TIMES} times as much personal data (kind {{{{ $labels.kind }}}}) as yesterday",
        runbook="personal-data",
    )
    yield Alert(
        name="SlipwayContained",
        expression=f"max by (kind) (slipway_gateway_contained{{{here}}}) > 0",
        for_minutes=60,
        severity="ticket",
        summary="{{ $value }} {{ $labels.kind }} have been blocked for an hour",
        runbook="contained",
    )
