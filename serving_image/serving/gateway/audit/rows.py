"""What a request's row says: taken from the context on the event loop, made into fields on the writer's thread."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

import orjson

from serving.gateway.audit.clock import rfc3339
from serving.gateway.audit.content import SubjectKeys
from serving.gateway.audit.request import AuditedRequest
from serving.gateway.audit.tap import Tap


class Record(NamedTuple):
    """One finished request, in the cheapest form that needs nothing of its context any more."""

    moment: float
    request_id: bytes
    client: str | None
    subject: str | None
    key_id: str | None
    endpoint: str
    stream: bool
    model: str | None
    digest: str | None
    route: str | None
    boundary: str | None
    decisions: list[str] | None
    reason: str
    status: int
    prompt_tokens: int
    output_tokens: int
    cost: float | None
    first_byte: float
    duration: float
    tap: Tap | None
    durable: asyncio.Future[bool] | None


def record_of(
    context: AuditedRequest, duration: float, tap: Tap | None, durable: asyncio.Future[bool] | None
) -> Record:
    """The context's facts as they are now."""
    client = context.client
    model = context.model
    first = context.first_byte_at
    name = None if client is None else client.name
    return Record(
        time.time(),
        context.request_id,
        name,
        context.subject or name,
        context.key_id or None,
        context.endpoint,
        context.stream,
        None if model is None else model.name,
        None if model is None else model.digest,
        context.route,
        context.boundary,
        context.decisions,
        context.reason,
        context.status,
        context.prompt_tokens,
        context.output_tokens,
        context.cost,
        first - context.started_at if first else 0.0,
        duration,
        tap,
        durable,
    )


def fields_of(record: Record) -> dict[str, Any]:
    """The row's fields in their order, but for the encrypted text."""
    (
        moment,
        request_id,
        client,
        subject,
        key,
        endpoint,
        stream,
        model,
        digest,
        route,
        boundary,
        decisions,
        reason,
        status,
        prompt_tokens,
        output_tokens,
        cost,
        first_byte,
        duration,
        _tap,
        _durable,
    ) = record
    return {
        "kind": "request",
        "time": rfc3339(moment),
        "request_id": request_id.decode("ascii", "replace"),
        "subject": _plain(subject),
        "client": client,
        "key": key,
        "endpoint": endpoint,
        "stream": stream,
        "model": model,
        "digest": digest,
        "route": route,
        "boundary": boundary,
        "decisions": decisions or (),
        "status": status,
        "finish": _finish(status, reason),
        "reason": reason or None,
        "prompt_tokens": prompt_tokens,
        "output_tokens": output_tokens,
        "cost": cost,
        "first_byte_ms": int(first_byte * 1_000_000) / 1000 if first_byte else None,
        "duration_ms": int(duration * 1_000_000) / 1000,
    }


def content_of(record: Record, keys: SubjectKeys, place: str) -> dict[str, str] | None:
    """The encrypted text of a row, or None when there is none. Raises what SubjectKeys.encrypt raises."""
    tap = record.tap
    subject = _plain(record.subject)
    if tap is None or subject is None or not (tap.prompt or tap.answer):
        return None
    text = {
        "prompt": tap.prompt.decode("utf-8", "replace"),
        "answer": b"".join(tap.answer).decode("utf-8", "replace"),
        "cut": tap.cut,
    }
    return keys.encrypt(subject, place, orjson.dumps(text))


def place_of(chain: str, number: int) -> str:
    """What an encrypted text is bound to."""
    return f"{chain}:{number}"


def _finish(status: int, reason: str) -> str:
    """How it ended: `complete`, `refused` (with an error for an answer), or `cut` (an answer that did not end)."""
    if not reason and status < 400:
        return "complete"
    return "cut" if status < 400 or status == 499 else "refused"


def _plain(text: str | None) -> str | None:
    """A subject from a token may hold what UTF-8 cannot (lone surrogates)."""
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()
