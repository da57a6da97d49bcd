"""Step: read the request's body, up to the limit and not a byte further."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from serving.gateway.context import RequestContext
from serving.gateway.lifeline import Cause
from serving.gateway.refusal import Refusal, four_parts


def read_body(context: RequestContext) -> Coroutine[Any, Any, None] | None:
    """Fill `context.body` and start watching for the client's departure."""
    limits = context.policy.limits
    if context.content_length > limits.body_bytes:
        raise _too_large(limits.body_bytes)
    body = None if context.exchange is None else context.exchange.whole_body()
    if body is None:
        return _receive_body(context)
    _keep(context, body)
    return None


async def _receive_body(context: RequestContext) -> None:
    limits = context.policy.limits
    context.lifeline.phase(Cause.BODY_SLOW, limits.body_seconds)
    receive = context.receive
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
    else:
        pieces: list[bytes] = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                raise Refusal(499, "client_gone", "the client left")
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > limits.body_bytes:
                raise _too_large(limits.body_bytes)
            pieces.append(piece)
            if not message.get("more_body"):
                break
            message = await receive()
        body = b"".join(pieces)
    _keep(context, body)


def _keep(context: RequestContext, body: bytes) -> None:
    limit = context.policy.limits.body_bytes
    if len(body) > limit:
        raise _too_large(limit)
    context.body = body
    context.body_read = True
    if context.connection is not None:
        context.lifeline.watch(context.connection)


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413,
        "body_too_large",
        four_parts("body", "more bytes than the limit", f"{limit} bytes", "Send a shorter prompt or fewer of them."),
        close=True,
    )
