"""OTLP's JSON form of spans and attributes: ids in hex, 64-bit numbers as text (OTLP 1.10, read 2026-11-24)."""

from __future__ import annotations

from typing import Any

from serving.gateway.telemetry.trace import Trace

_OK, _ERROR = 0, 2
Span = dict[str, Any]


def span_of(
    trace: Trace,
    span: str,
    parent: str,
    name: str,
    kind: int,
    began: float,
    ended: float,
    attributes: dict[str, Any],
    failed: bool,
) -> Span:
    """One span; times in seconds of the wall clock."""
    made: Span = {
        "traceId": trace.trace_id,
        "spanId": span,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(int(began * 1e9)),
        "endTimeUnixNano": str(int(max(began, ended) * 1e9)),
        "attributes": attributes_of(attributes),
        "status": {"code": _ERROR if failed else _OK},
    }
    if parent:
        made["parentSpanId"] = parent
    return made


def attributes_of(values: dict[str, Any]) -> list[dict[str, Any]]:
    """OTLP's form of attributes."""
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: bool | float | str) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
