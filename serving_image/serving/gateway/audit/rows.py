"""What a request's row says: taken from the context on the event loop, made into fields on the writer's thread."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from serving.gateway.audit.clock import rfc3339
from serving.gateway.audit.content import SubjectKeys
from serving.gateway.audit.tap import Tap
from serving.gateway.facts import RequestFacts


class Record:
    """One finished request, in the cheapest form that needs nothing of its context any more."""

    __slots__ = (
        "boundary",
        "client",
        "cost",
        "decisions",
        "digest",
        "durable",
        "duration",
        "endpoint",
        "first_byte",
        "key_id",
        "model",
        "moment",
        "output_tokens",
        "prompt_tokens",
        "reason",
        "request_id",
        "route",
        "status",
        "stream",
        "subject",
        "tap",
    )

    def __init__(
        self, context: RequestFacts, duration: float, tap: Tap | None, durable: asyncio.Future[bool] | None
    ) -> None:
        first = context.first_byte_at
        name = context.client_name
        self.moment = time.time()
        self.request_id = context.request_id
        self.client = name
        self.subject = context.subject or name
        self.key_id = context.key_id
        self.endpoint = context.endpoint
        self.stream = context.stream
        self.model = context.model_name
        self.digest = context.model_digest
        self.route = context.route
        self.boundary = context.boundary
        self.decisions = context.decisions
        self.reason = context.reason
        self.status = context.status
        self.prompt_tokens = context.prompt_tokens
        self.output_tokens = context.output_tokens
        self.cost = context.cost
        self.first_byte = first - context.started_at if first else 0.0
        self.duration = duration
        self.tap = tap
        self.durable = durable


def fields_of(record: Record) -> dict[str, Any]:
    """The row's fields in their order, but for the encrypted text."""
    status, reason, first_byte = record.status, record.reason, record.first_byte
    return {
        "kind": "request",
        "time": rfc3339(record.moment),
        "request_id": record.request_id.decode("ascii", "replace"),
        "subject": _plain(record.subject),
        "client": record.client,
        "key": record.key_id or None,
        "endpoint": record.endpoint,
        "stream": record.stream,
        "model": record.model,
        "digest": record.digest,
        "route": record.route,
        "boundary": record.boundary,
        "decisions": record.decisions or (),
        "status": status,
        "finish": _finish(status, reason),
        "reason": reason or None,
        "prompt_tokens": record.prompt_tokens,
        "output_tokens": record.output_tokens,
        "cost": record.cost,
        "first_byte_ms": int(first_byte * 1_000_000) / 1000 if first_byte else None,
        "duration_ms": int(record.duration * 1_000_000) / 1000,
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
