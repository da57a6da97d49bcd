"""Alerts as Prometheus reads them: groups of rules, one for each model and one for what models share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infra.plan.monitoring import RUNBOOKS, Alert


def rule_groups(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    """The content of a file of rules, and of a PrometheusRule."""
    by_model: dict[str | None, list[Alert]] = {}
    for alert in alerts:
        by_model.setdefault(alert.model, []).append(alert)
    return [
        {"name": f"slipway-{model}" if model else "slipway", "rules": [_rule(alert) for alert in found]}
        for model, found in by_model.items()
    ]


def _rule(alert: Alert) -> dict[str, Any]:
    own = {"severity": alert.severity, **({"model": alert.model} if alert.model else {})}
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": f"{alert.for_minutes}m",
        "labels": own,
        "annotations": {"summary": alert.summary, "runbook": f"{RUNBOOKS}#{alert.runbook}"},
    }
