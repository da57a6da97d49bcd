"""One rule that calls somebody."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Alert:
    """`runbook` is the section to read; `severity` is `page` (now) or `ticket` (today)."""

    name: str
    expression: str
    for_minutes: int
    severity: str
    summary: str
    runbook: str
    model: str | None = None
