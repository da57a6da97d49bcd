"""Turns a finished request into OTLP spans. Only what is named here is in them: no text of a client or an engine.

Attribute names are OpenTelemetry's: gen_ai.* from the generative AI conventions (gen-ai-spans, read 2026-11-24), http.*
and error.type from the HTTP conventions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serving.gateway.telemetry.generation_metrics import OPERATIONS, PROVIDER
from serving.gateway.telemetry.otlp import Span, span_of
from serving.gateway.telemetry.trace import Trace

if TYPE_CHECKING:
    from serving.gateway.context import RequestContext

_SERVER, _CLIENT = 2, 3

ROUTES = {
    "chat_completions": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "models": "/v1/models",
}


def spans_of(context: RequestContext, trace: Trace, duration: float) -> list[Span]:
    """The request's span, and its call's if there was one."""
    ended = trace.began + duration
    failed = bool(context.reason) and (context.status >= 500 or context.status < 400)
    route = ROUTES.get(context.endpoint, "unknown")
    method = context.scope["method"] if context.scope["method"] in ("GET", "POST") else "_OTHER"
    whole = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": context.status,
        "slipway.request_id": context.request_id.decode("ascii"),
    }
    if context.client is not None:
        whole["slipway.client"] = context.client.name
    if context.cache_result:
        whole["slipway.cache"] = context.cache_result
    if context.reason:
        whole["error.type"] = context.reason
    spans = [
        span_of(trace, trace.span, trace.parent_span, f"{method} {route}", _SERVER, trace.began, ended, whole, failed)
    ]
    if trace.call_at and context.model is not None:
        operation = OPERATIONS[context.endpoint]
        name = f"{operation} {context.model.name}"
        call = _call(context, operation)
        spans.append(span_of(trace, trace.call_span, trace.span, name, _CLIENT, trace.call_at, ended, call, failed))
    return spans


def _call(context: RequestContext, operation: str) -> dict[str, Any]:
    assert context.model is not None
    call: dict[str, Any] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": context.model.name,
        "gen_ai.request.stream": context.stream,
    }
    most = context.document.get("max_tokens")
    if type(most) is int:
        call["gen_ai.request.max_tokens"] = most
    if context.prompt_tokens:
        call["gen_ai.usage.input_tokens"] = context.prompt_tokens
    if context.output_tokens:
        call["gen_ai.usage.output_tokens"] = context.output_tokens
    if context.stream and context.first_byte_at:
        call["gen_ai.response.time_to_first_chunk"] = round(context.first_byte_at - context.started_at, 6)
    if context.waited:
        call["slipway.queued_seconds"] = round(context.waited, 6)
    if context.reason:
        call["error.type"] = context.reason
    return call
