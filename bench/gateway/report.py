"""From the rounds to the figures: medians, ratios, targets, and the table for the terminal."""

from __future__ import annotations

import statistics
from typing import Any

Round = dict[str, dict[str, dict[str, float]]]
"""target -> cell -> figure -> value"""

# Name, where in the result, target, whether more is better, unit. Ratios and CPU hold on other machines; the rest is
# for the reference machine (2 cores of an AMD EPYC, where nginx does about 48,000 requests per second, 2026-11).
TARGETS: tuple[tuple[str, tuple[str, ...], float, bool, str], ...] = (
    ("requests per second, ratio to nginx", ("ratio_to_nginx",), 0.33, True, ""),
    ("CPU per request", ("cpu_us_per_request",), 65, False, "µs"),
    ("added latency p50, one client", ("added_p50_ms",), 0.2, False, "ms"),
    ("added time to first token p50", ("added_time_to_first_token_ms", "p50"), 0.3, False, "ms"),
    ("added time to first token p99", ("added_time_to_first_token_ms", "p99"), 1.5, False, "ms"),
    ("CPU per streamed event", ("cpu_us_per_event",), 20, False, "µs"),
    ("requests per second, 64 KB prompt", ("requests_per_second_64k",), 6000, True, "/s"),
    ("10,000 idle streams", ("idle_stream_rss_mb",), 400, False, "MB"),
)


def summarise(rounds: list[Round]) -> dict[str, Any]:
    """The figures over all rounds. Differences and ratios are taken within a round, then their median."""
    targets = list(rounds[0])

    def middle(target: str, cell: str, figure: str) -> float:
        return statistics.median(one[target][cell][figure] for one in rounds)

    def added(cell: str, figure: str) -> float:
        return statistics.median(one["slipway"][cell][figure] - one["direct"][cell][figure] for one in rounds)

    ratios = [_rate(one, "slipway") / _rate(one, "nginx") for one in rounds]
    return {
        "requests_per_second": {target: round(middle(target, "json_32", "requests_per_second")) for target in targets},
        "ratio_to_nginx": round(statistics.median(ratios), 3),
        "added_p50_ms": round(added("json_1", "p50_ms"), 3),
        "added_time_to_first_token_ms": {
            "p50": round(added("streams_128", "first_token_p50_ms"), 3),
            "p99": round(added("streams_128", "first_token_p99_ms"), 3),
        },
        "cpu_us_per_request": round(middle("slipway", "json_32", "cpu_us_per_request"), 1),
        "cpu_us_per_event": round(middle("slipway", "streams_512", "cpu_us_per_event"), 1),
        "requests_per_second_64k": round(middle("slipway", "json_64k", "requests_per_second")),
        "with_personal_data": {
            "requests_per_second": round(middle("slipway", "json_32_personal", "requests_per_second")),
            "cpu_us_per_request": round(middle("slipway", "json_32_personal", "cpu_us_per_request"), 1),
        },
        "spread": {
            "ratio_to_nginx": [round(min(ratios), 3), round(max(ratios), 3)],
            "cpu_us_per_request": _spread(rounds, "slipway", "json_32", "cpu_us_per_request"),
            "cpu_us_per_event": _spread(rounds, "slipway", "streams_512", "cpu_us_per_event"),
        },
        "cpu_us": {
            target: {
                "per_request": round(middle(target, "json_32", "cpu_us_per_request"), 1),
                "per_event": round(middle(target, "streams_512", "cpu_us_per_event"), 1),
            }
            for target in targets
            if target != "direct"
        },
        "latency_ms": {
            target: {
                "p50_one_client": round(middle(target, "json_1", "p50_ms"), 3),
                "p50_32_clients": round(middle(target, "json_32", "p50_ms"), 3),
                "p99_32_clients": round(middle(target, "json_32", "p99_ms"), 3),
                "first_token_p50": round(middle(target, "streams_128", "first_token_p50_ms"), 3),
                "first_token_p99": round(middle(target, "streams_128", "first_token_p99_ms"), 3),
            }
            for target in targets
        },
        "requests_per_second_64k_all": {
            target: round(middle(target, "json_64k", "requests_per_second")) for target in targets
        },
    }


def judge(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Every target with what was measured and whether it is met."""
    judged: list[dict[str, Any]] = []
    for name, place, target, more, unit in TARGETS:
        value: Any = result
        for part in place:
            value = value[part]
        met = value >= target if more else value <= target
        judged.append({"name": name, "measured": value, "target": target, "more": more, "unit": unit, "met": met})
    return judged


def table(result: dict[str, Any]) -> str:
    """For the terminal."""
    lines = [f"{'':38}{'measured':>12}{'target':>14}"]
    for row in result["targets"]:
        measured = f"{row['measured']:,} {row['unit']}".strip()
        target = f"{'≥' if row['more'] else '≤'} {row['target']:,} {row['unit']}".strip()
        lines.append(f"{row['name']:38}{measured:>12}{target:>14}   {'met' if row['met'] else 'MISSED'}")
    lines.append("")
    for name, rate in result["requests_per_second"].items():
        lines.append(f"{name:10}{rate:>8,} requests per second, 2 KB prompt, 32 connections")
    personal = result["with_personal_data"]
    lines.append(
        f"slipway   {personal['requests_per_second']:>8,} of them with personal data in every prompt "
        f"({personal['cpu_us_per_request']} µs each)"
    )
    lines.append("")
    lines.append(f"on:  {', '.join(result['features'])}")
    lines += [f"off: {name} ({why})" for name, why in result["features_off"].items()]
    return "\n".join(lines)


def _rate(one: Round, target: str) -> float:
    return one[target]["json_32"]["requests_per_second"]


def _spread(rounds: list[Round], target: str, cell: str, figure: str) -> list[float]:
    values = [one[target][cell][figure] for one in rounds]
    return [round(min(values), 1), round(max(values), 1)]
