"""What the client is told when an engine fails: our refusals, and the engine's own errors in OpenAI's shape."""

from __future__ import annotations

import re
from typing import Any, cast

import orjson

from serving.gateway.lifeline import Cause
from serving.gateway.refusal import Refusal, error_body, four_parts

_RETRY_AFTER = re.compile(rb"[\x20-\x7e]{1,64}")
_KIND = "api_error"


def unavailable() -> Refusal:
    """503: no connection to the engine."""
    return Refusal(
        503,
        "engine_unavailable",
        four_parts("engine", "no connection to it", "a running engine", "Try again after the seconds in Retry-After."),
        kind=_KIND,
        retry_after=b"2",
    )


def lost() -> Refusal:
    """502: the engine's connection ended before its answer did."""
    return Refusal(
        502,
        "engine_connection_lost",
        four_parts(
            "engine",
            "a connection that ended before the answer was complete",
            "a complete answer",
            "Send the request again; if it stays so, report the x-request-id.",
        ),
        kind=_KIND,
    )


def malformed() -> Refusal:
    """502: a frame of the engine's stream is not JSON."""
    return Refusal(
        502,
        "engine_malformed",
        four_parts(
            "engine",
            "a stream event that is not JSON",
            "server-sent events with JSON data",
            "Send the request again; if it stays so, report the x-request-id.",
        ),
        kind=_KIND,
    )


def misconfigured(status: int) -> Refusal:
    """502: the engine refused the gateway itself (its key, or a redirect): not the client's fault, nor its 401."""
    return Refusal(
        502,
        "engine_refused_gateway",
        four_parts(
            "engine",
            f"status {status} to the gateway itself",
            "an engine that accepts the gateway's key",
            "Ask the gateway's operator to check the model's upstream url and key_file.",
        ),
        kind=_KIND,
    )


_TOO_LATE: dict[Cause, tuple[int, str]] = {
    Cause.FIRST_BYTE: (504, "no byte of an answer within the limit"),
    Cause.STREAM_IDLE: (504, "silence in the middle of the stream for longer than the limit"),
    Cause.TOTAL: (504, "a generation longer than the model's longest_generation_seconds"),
    Cause.DRAINED: (503, "a generation still running when the gateway had to stop"),
    Cause.BODY_SLOW: (408, "a request body that did not arrive in time"),
}


def too_late(cause: Cause) -> Refusal:
    """Why a lifeline ended the request, for a client that is still there."""
    status, found = _TOO_LATE[cause]
    body_slow = cause is Cause.BODY_SLOW
    return Refusal(
        status,
        cause.value,
        four_parts(
            "request body" if body_slow else "engine",
            found,
            "what the gateway's time limits allow",
            "Send the body faster." if body_slow else "Ask for fewer tokens (max_tokens) or try again later.",
        ),
        kind="invalid_request_error" if body_slow else _KIND,
        retry_after=b"2" if status == 503 else None,
        close=body_slow,
    )


def engine_error(status: int, body: bytes) -> bytes:
    """An engine's 4xx or 5xx body: untouched when it has OpenAI's shape, otherwise its message put into one."""
    message = ""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if type(document) is dict:
        fields = cast("dict[str, Any]", document)
        error: Any = fields.get("error")
        if type(error) is dict and type(cast("dict[str, Any]", error).get("message")) is str:
            return body
        candidates: tuple[Any, ...] = (fields.get("message"), fields.get("detail"), fields.get("error"))
        message = next((text for text in candidates if type(text) is str), "")
    if not message:
        message = four_parts(
            "engine", f"status {status}", "a successful answer", "Change the request or try again later."
        )
    kind = "invalid_request_error" if status < 500 else _KIND
    return error_body(message, kind, None, "engine_error")


def passed_retry_after(value: bytes | None) -> bytes | None:
    """The engine's Retry-After, if it can stand in a header."""
    return value if value is not None and _RETRY_AFTER.fullmatch(value) else None


def as_event(refusal: Refusal) -> bytes:
    """The same error for a client that already gets a stream."""
    return body_as_event(refusal.body)


def body_as_event(body: bytes) -> bytes:
    """An error body as an event. An engine's may have line ends in it, which would end the event early."""
    return b"event: error\ndata: " + b" ".join(body.splitlines()) + b"\n\n"
