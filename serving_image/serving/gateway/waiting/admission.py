"""Waits until a replica is free or ready: bounded in number and time, with signs of life for streams."""

from __future__ import annotations

import asyncio
import contextlib
import time
from math import inf

from serving.gateway.context import RequestContext
from serving.gateway.lifeline import Cause
from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.relay import send_stream_head
from serving.gateway.routing.pool import Pool, Waiter
from serving.gateway.routing.replica import Outcome, Replica
from serving.gateway.waiting.measures import QUEUE_SECONDS

_COMMENT = b": waiting\n\n"
_KIND = "api_error"


async def wait_for_replica(context: RequestContext, pool: Pool, most_seconds: float = inf) -> Replica:
    """A replica of `pool`, counted as in flight. Raises a Refusal when this may not or did not work out; with
    `most_seconds`, for who then goes elsewhere, already after these.

    The place in the queue is given up in whatever way the wait ends; a client that leaves cancels it at once.
    """
    holding = not _has_trusted(context, pool)
    if holding and pool.hold is None:
        raise not_ready()
    refuses = most_seconds == inf
    limits = pool.hold if holding and pool.hold is not None else pool.queueing
    seconds = min(most_seconds, limits.seconds - (context.waited if holding else 0.0))
    if pool.queue.size >= limits.size or seconds <= 0:
        pool.counters.queue_refusals += refuses
        raise _full(pool) if seconds > 0 else _held_too_long(limits.seconds)
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Replica] = loop.create_future()
    client = context.client
    assert client is not None
    # The limit for reading the body is over, that for generating has not begun.
    context.lifeline.phase(Cause.TOTAL, inf)
    began = time.monotonic()
    passes = None if holding else pool.queueing.lets_pass_seconds
    waiter = Waiter(context, future, inf if passes is None else began + passes)
    entry = pool.queue.add(waiter, client.name, client.priority)
    timer = loop.call_later(seconds, _expire, future, pool, limits.seconds, holding, refuses)
    try:
        pool.wake()
        if context.stream and pool.hold is not None:
            await _with_signs_of_life(context, future, pool.hold.keep_alive_seconds)
        replica = await future
    except BaseException:
        if future.done() and not future.cancelled() and future.exception() is None:
            pool.release(future.result(), Outcome.NEUTRAL)  # it came in the moment the request ended
        future.cancel()
        raise
    finally:
        timer.cancel()
        pool.queue.remove(entry)
        waited = time.monotonic() - began
        context.waited += waited
        QUEUE_SECONDS.labels(pool.name).observe(waited)
    return replica


def _has_trusted(context: RequestContext, pool: Pool) -> bool:
    allowed = context.boundaries
    return any(allowed is None or replica.boundary in allowed for replica in pool.ready)


async def _with_signs_of_life(context: RequestContext, future: asyncio.Future[Replica], every: float) -> None:
    """Returns when the future is done. The head goes out only after the first pause: a short wait keeps the chance
    of a real status, and only a connection that is silent for long needs a sign."""
    while True:
        done, _ = await asyncio.wait((future,), timeout=every)
        if done:
            return
        if not context.head_sent:
            await send_stream_head(context, 200)
            context.head_sent = True
            context.status = 200
        context.lifeline.sending = True
        await context.send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
        context.lifeline.sending = False


def _expire(future: asyncio.Future[Replica], pool: Pool, seconds: float, holding: bool, refuses: bool) -> None:
    if not future.done():
        pool.counters.queue_refusals += refuses
        future.set_exception(_held_too_long(seconds) if holding else _queued_too_long(seconds))


def close_pool(pool: Pool) -> None:
    """The model is no longer configured: nobody waits for it any more."""
    while pool.queue.size:
        future = pool.queue.pop().item.future
        with contextlib.suppress(asyncio.InvalidStateError):
            future.set_exception(not_ready())


def not_ready() -> Refusal:
    """503: no replica that is trusted, and no waiting."""
    return Refusal(
        503,
        "no_replica_ready",
        four_parts("model", "no engine of it ready", "a ready engine", "Try again after the seconds in Retry-After."),
        kind=_KIND,
        retry_after=b"5",
    )


def boundary_refused() -> Refusal:
    """403: the model is only where the client's data may not go."""
    return Refusal(
        403,
        "boundary_not_allowed",
        four_parts(
            "model",
            "one that runs only outside the boundaries of this client's data class",
            "models inside those boundaries",
            "Use another model, or ask the gateway's operator.",
        ),
        kind="permission_error",
        param="model",
    )


def _full(pool: Pool) -> Refusal:
    return Refusal(
        429,
        "queue_full",
        four_parts(
            "model",
            "as many requests waiting for it as may wait",
            "a request when there is room in its queue",
            "Try again after the seconds in Retry-After.",
        ),
        kind="rate_limit_error",
        retry_after=b"%d" % max(1, min(30, int(pool.queueing.seconds / 2))),
    )


def _queued_too_long(seconds: float) -> Refusal:
    return Refusal(
        503,
        "queued_too_long",
        four_parts(
            "model",
            "no engine of it free in time",
            f"{seconds:g} s in the queue",
            "Try again after the seconds in Retry-After.",
        ),
        kind=_KIND,
        retry_after=b"5",
    )


def _held_too_long(seconds: float) -> Refusal:
    return Refusal(
        503,
        "held_too_long",
        four_parts(
            "model",
            "no engine of it ready in time",
            f"{seconds:g} s of waiting for one",
            "Try again after the seconds in Retry-After.",
        ),
        kind=_KIND,
        retry_after=b"10",
    )
