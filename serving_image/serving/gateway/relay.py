"""Relays an engine's answer to the client: bytes untouched, and honest about an answer that did not end well."""

from __future__ import annotations

import asyncio
import contextlib
import time

from serving.gateway import engine_errors
from serving.gateway.answers import send_at_once, send_body
from serving.gateway.asgi import REQUEST_ID_HEADER, Header
from serving.gateway.context import RequestContext
from serving.gateway.events import EventScanner
from serving.gateway.lifeline import Cause
from serving.gateway.limits.settlement import settle
from serving.gateway.refusal import Refusal
from serving.gateway.upstream import UpstreamAnswer, UpstreamLost
from serving.gateway.usage import Usage, usage_of

# Whole answers up to this size wait until they are complete, so that a broken one becomes a clean 502. Larger ones
# (embeddings of many inputs) flow through.
_HELD_BYTES = 1024 * 1024
_LARGEST_ERROR = 64 * 1024
# To keep the engine's connection, its end of body must be seen; it comes with [DONE] or right after.
_TRAILER_SECONDS = 0.5
# A client that does not take an error event within this time is gone for all we know.
_FAREWELL_SECONDS = 2.0

_EVENT_STREAM: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx in front would otherwise collect events
]


async def relay_error(context: RequestContext, answer: UpstreamAnswer) -> None:
    """An engine's 4xx or 5xx in OpenAI's shape, with its Retry-After."""
    if answer.status in (401, 403, 407) or answer.status < 400:
        raise engine_errors.misconfigured(answer.status)
    body = b""
    try:
        while len(body) < _LARGEST_ERROR and (piece := await answer.read()):
            body += piece
    except UpstreamLost:
        body = b""
    headers: list[Header] = [(REQUEST_ID_HEADER, context.request_id), *context.labels, *context.limit_headers]
    retry_after = engine_errors.passed_retry_after(answer.header("retry-after"))
    if retry_after is not None:
        headers.append((b"retry-after", retry_after))
    context.reason = "engine_error"
    context.answer_started = True
    if context.head_sent:
        await _end_with(context, engine_errors.body_as_event(engine_errors.engine_error(answer.status, body)))
        return
    context.status = answer.status
    await send_body(context.send, answer.status, engine_errors.engine_error(answer.status, body), headers)


async def relay_whole(context: RequestContext, answer: UpstreamAnswer) -> None:
    """An answer that is not a stream."""
    transform = context.transform
    if context.head_sent:
        raise engine_errors.malformed()  # the client was promised a stream
    largest = _HELD_BYTES if transform is None else transform.largest_whole
    body = answer.whole()
    whole = body is not None and len(body) <= largest
    if body is None:
        body, whole = await _held(context, answer, largest)
    elif body and not context.first_byte_at:
        _first_byte(context)
    headers: list[Header] = [(REQUEST_ID_HEADER, context.request_id), *context.labels, *context.limit_headers]
    content_type = (b"content-type", answer.header("content-type") or b"application/json")
    if not whole:
        if transform is not None:
            raise transform.too_large()
        await _relay_through(context, answer, body, [content_type, *headers])
        return
    _count(context, usage_of(body))
    if transform is not None:
        body = transform.whole(body)
    context.status = answer.status
    context.answer_started = True
    context.lifeline.sending = True
    if not send_at_once(context.direct, answer.status, body, headers, content_type):
        await send_body(context.send, answer.status, body, headers, content_type)


async def _held(context: RequestContext, answer: UpstreamAnswer, largest: int) -> tuple[bytes, bool]:
    """The body as far as `largest`, and whether that is all of it."""
    pieces: list[bytes] = []
    held = 0
    try:
        while held <= largest:
            piece = await answer.read()
            if not piece:
                return b"".join(pieces), True
            if not context.first_byte_at:
                _first_byte(context)
            pieces.append(piece)
            held += len(piece)
    except UpstreamLost:
        raise engine_errors.lost() from None
    return b"".join(pieces), False


async def _relay_through(context: RequestContext, answer: UpstreamAnswer, piece: bytes, headers: list[Header]) -> None:
    """The rest of a large answer. Its head is out, so what goes wrong can only be shown by breaking it off."""
    context.status = answer.status
    context.answer_started = True
    tail = b""
    context.lifeline.phase(Cause.STREAM_IDLE, context.policy.limits.stream_idle_seconds)
    await context.send({"type": "http.response.start", "status": answer.status, "headers": headers})
    try:
        while piece:
            await _send_piece(context, piece)
            tail = (tail + piece)[-4096:]
            piece = await answer.read()
    except UpstreamLost:
        context.reason = "engine_connection_lost"
        break_off(context)
        return
    _count(context, _usage_at_end(tail))
    await context.send({"type": "http.response.body", "body": b""})


async def relay_stream(context: RequestContext, answer: UpstreamAnswer) -> None:
    """A server-sent event stream. Nothing is invented: no finish_reason, no [DONE]."""
    life = context.lifeline
    scanner = context.scanner = EventScanner()
    usage_filter = context.usage_filter
    transform = context.transform
    failure: Refusal | None = None
    chunk = b""
    try:
        # The head waits for the first bytes: until then a failure can still have a status of its own.
        chunk = await answer.read()
        if not chunk:
            raise engine_errors.lost()
        if not context.first_byte_at:
            _first_byte(context)
        if not scanner.feed(chunk):
            raise engine_errors.malformed()
        context.status = answer.status
        context.answer_started = True
        life.phase(Cause.STREAM_IDLE, context.policy.limits.stream_idle_seconds)
        if not context.head_sent:
            await send_stream_head(context, answer.status)
        while not scanner.done:
            piece = chunk if usage_filter is None else usage_filter.feed(chunk)
            if transform is not None:
                piece = transform.feed(piece)
            if piece:
                await _send_piece(context, piece)
            chunk = await answer.read()
            life.heard()
            if not chunk:
                failure = engine_errors.lost()
                break
            if not scanner.feed(chunk):
                failure = engine_errors.malformed()
                break
        if failure is None and usage_filter is not None:
            chunk = usage_filter.feed(chunk) + usage_filter.rest()
        if failure is None and transform is not None:
            chunk = transform.feed(chunk) + transform.end()
    except Refusal as refusal:
        if not context.answer_started:
            raise
        failure = refusal
    except UpstreamLost:
        if not context.answer_started:
            raise engine_errors.lost() from None
        failure = engine_errors.lost()
    except asyncio.CancelledError:
        cause = life.cause
        # Before the head is out, the application answers; a client that left or does not read gets no more words.
        if not context.answer_started or cause is None or cause is Cause.CLIENT_GONE:
            raise
        if cause is Cause.CLIENT_STALLED or life.sending:
            context.reason = cause.value
            life.absorb()
            break_off(context)
            return
        life.absorb()
        failure = engine_errors.too_late(cause)
    _count(context, scanner.usage)
    if failure is None:
        # Before the last byte is out: the client's next request may come before the engine's end of body.
        settle(context, time.monotonic() - context.started_at)
        life.sending = True
        await context.send({"type": "http.response.body", "body": chunk})
        life.release()
        await _read_trailer(answer)
        return
    context.reason = failure.code
    answer.close()  # now, not after the client took the error: the engine must stop generating
    await _farewell(context, failure, scanner.inside_frame)


async def send_stream_head(context: RequestContext, status: int) -> None:
    """The head of an event stream."""
    headers = [*_EVENT_STREAM, (REQUEST_ID_HEADER, context.request_id), *context.labels, *context.limit_headers]
    await context.send({"type": "http.response.start", "status": status, "headers": headers})


async def refuse_in_stream(context: RequestContext, refusal: Refusal) -> None:
    """A refusal for a client that waited and already has a stream's head: an error event."""
    context.answer_started = True
    await _end_with(context, engine_errors.as_event(refusal))


async def _send_piece(context: RequestContext, piece: bytes) -> None:
    life = context.lifeline
    life.sending = True
    await context.send({"type": "http.response.body", "body": piece, "more_body": True})
    life.sending = False
    life.heard()


async def _farewell(context: RequestContext, failure: Refusal, inside_frame: bool) -> None:
    # A frame that was cut in the middle is ended first, or the error would be read as part of it.
    await _end_with(context, (b"\n\n" if inside_frame else b"") + engine_errors.as_event(failure))


async def _end_with(context: RequestContext, event: bytes) -> None:
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await context.send({"type": "http.response.body", "body": event})
    except TimeoutError:
        break_off(context)


async def _read_trailer(answer: UpstreamAnswer) -> None:
    with contextlib.suppress(UpstreamLost, TimeoutError):
        async with asyncio.timeout(_TRAILER_SECONDS):
            while await answer.read():
                pass


def break_off(context: RequestContext) -> None:
    """Reset the client's connection: the one honest end of an answer whose head promised more."""
    if context.connection is not None:
        context.connection.abort()


def _first_byte(context: RequestContext) -> None:
    context.first_byte_at = time.monotonic()


def _count(context: RequestContext, usage: Usage | None) -> None:
    if usage is not None:
        context.prompt_tokens = usage.prompt_tokens
        context.output_tokens = usage.completion_tokens


def _usage_at_end(tail: bytes) -> Usage | None:
    at = tail.rfind(b'"usage"')
    return None if at < 0 else usage_of(b"{" + tail[at:])
