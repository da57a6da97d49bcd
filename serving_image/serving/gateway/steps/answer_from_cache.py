"""Step: was this very request answered before? Then the same answer; otherwise this one is kept."""

from __future__ import annotations

from collections.abc import Awaitable

from serving.gateway.answers import send_body
from serving.gateway.asgi import REQUEST_ID_HEADER
from serving.gateway.cache.kept import Kept
from serving.gateway.cache.recorder import HEADER, Recorder
from serving.gateway.cache.response_cache import ResponseCache
from serving.gateway.context import RequestContext
from serving.gateway.lifeline import Cause
from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.relay import send_stream_head

_WISHES = (b"use", b"refresh", b"skip")


def answer_from_cache(context: RequestContext) -> Awaitable[None] | None:
    """After everything that may refuse a request or change its body, and before its tokens are reserved: an answer
    that is here costs none."""
    client = context.client
    model = context.model
    own = client.cache if client is not None else None
    # Of a model that is divided among others, each request's share is the point.
    if own is None or model is None or model.destinations.routes is not None:
        return None
    wish = _wish(context)
    if wish == b"skip" or not context.cacheable or not (wish or _repeatable(context)):
        return None
    key = own.key(model.name, context.subject, context.endpoint, context.boundaries, context.body)
    if wish == b"refresh":
        _record(context, own.cache, key)
        return None
    return _look_up(context, own.cache, key)


async def _look_up(context: RequestContext, cache: ResponseCache, key: bytes) -> None:
    kept = await cache.store.find(key)
    if kept is None:
        _record(context, cache, key)
    else:
        await _answer(context, kept)


def _record(context: RequestContext, cache: ResponseCache, key: bytes) -> None:
    context.cache_result = "miss"
    Recorder(context, cache, key)


async def _answer(context: RequestContext, kept: Kept) -> None:
    context.cache_result = "hit"
    context.decide("cache:hit")
    context.cost = 0.0
    context.boundary = kept.boundary
    context.labels = ((b"x-slipway-boundary", kept.boundary.encode()), (HEADER, b"hit"))
    context.status = 200
    context.answer_started = True
    context.lifeline.phase(Cause.STREAM_IDLE, context.policy.limits.stream_idle_seconds)
    context.lifeline.sending = True
    if kept.is_stream:
        await send_stream_head(context, 200)
        await context.send({"type": "http.response.body", "body": kept.body})
        return
    headers = [(REQUEST_ID_HEADER, context.request_id), *context.labels, *context.limit_headers]
    await send_body(context.send, 200, kept.body, headers, (b"content-type", kept.content_type))


def _repeatable(context: RequestContext) -> bool:
    """Whether the same request is meant to have the same answer. (A boolean temperature was refused before.)"""
    return context.endpoint == "embeddings" or context.document.get("temperature") == 0


def _wish(context: RequestContext) -> bytes | None:
    found = [value.strip().lower() for name, value in context.scope["headers"] if name == HEADER]
    if not found:
        return None
    if len(found) > 1 or found[0] not in _WISHES:
        raise Refusal(
            400,
            "invalid_value",
            four_parts(
                HEADER.decode(),
                "another value",
                "use, refresh or skip, once",
                "Send one of these, or leave the header out.",
            ),
            param=HEADER.decode(),
        )
    return found[0]
