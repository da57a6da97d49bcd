"""Step: send the request to an engine and relay its answer; to another one if the first fails before it said a byte."""

from __future__ import annotations

import time
from math import inf

from serving.gateway import engine_errors, relay
from serving.gateway.asgi import Header
from serving.gateway.context import RequestContext
from serving.gateway.lifeline import Cause
from serving.gateway.refusal import Refusal
from serving.gateway.routing.attempts import RETRIED_STATUSES, Place, first_place, held_place, next_place
from serving.gateway.routing.pool import Pool
from serving.gateway.routing.replica import Outcome, Replica
from serving.gateway.routing.rewrite import with_model
from serving.gateway.routing.shadow import cast_shadow
from serving.gateway.telemetry.tracing import propagate
from serving.gateway.upstream import UpstreamLost, UpstreamUnreachable

# Reasons (codes of engine_errors) that speak against the replica, not against the request or the client.
_ITS_FAULT = frozenset(("engine_connection_lost", "engine_malformed", "engine_refused_gateway", "engine_unavailable"))
# Before the first byte to the client these are tried elsewhere.
_REPEATED = frozenset(("engine_connection_lost", "engine_malformed", "engine_unavailable"))


async def forward(context: RequestContext) -> None:
    """One call to one replica, and extra ones within the retry budget."""
    model = context.model
    client = context.client
    assert model is not None
    assert client is not None
    destinations = model.destinations
    if client.boundaries is not None:
        narrowed = context.boundaries
        context.boundaries = client.boundaries if narrowed is None else client.boundaries & narrowed
    pool = destinations.pool
    if destinations.routes is not None:
        context.route, pool = destinations.routes.choose(context)
    replica: Replica | None = None
    overflow = destinations.overflow
    if overflow is not None and overflow.pool is pool:
        replica = overflow.choose(context, context.policy.ledger)
        if replica is not None:
            pool = overflow.there
    if replica is None:
        pool.came += 1
        if not pool.queue.size:
            replica = pool.take(context)
    if replica is None:
        pool, replica = await first_place(context, destinations, pool)
    if destinations.repeats or len(pool.replicas) > 1:
        destinations.pool.budget.called(time.monotonic())
    if destinations.shadow is not None:
        cast_shadow(context, destinations.shadow, replica.boundary)
    place: Place | None = pool, replica
    tried: list[Replica] = []
    # Requests of this model at an engine: all calls of one request are one.
    load = model.load
    load.in_flight += 1
    try:
        while place is not None:
            place = await _attempt(context, *place, tried)
    finally:
        load.in_flight -= 1


async def _attempt(context: RequestContext, pool: Pool, replica: Replica, tried: list[Replica]) -> Place | None:
    """One call. Returns None when the client has its answer, otherwise where to try next; raises what is final."""
    model = context.model
    assert model is not None
    destinations = model.destinations
    life = context.lifeline
    limits = context.policy.limits
    if not tried:
        life.end_after(model.longest_generation_seconds)
    if context.stream:
        replica.streams[life] = time.monotonic()
    if context.stream and limits.first_byte_seconds is not None:
        # Only streams: an answer that is not one comes when the whole generation is done.
        life.phase(Cause.FIRST_BYTE, limits.first_byte_seconds)
    else:
        life.phase(Cause.TOTAL, inf)
    context.boundary = replica.boundary
    overflow = destinations.overflow
    context.overflow_price = overflow.price if overflow is not None and pool is overflow.there else None
    context.labels = _labels(context, pool, replica)
    outcome = Outcome.NEUTRAL
    retry_after: bytes | None = None
    reached = True
    failure: Refusal
    try:
        tried.append(replica)
        context.sent_at = time.monotonic()
        answer = await context.upstreams.open(
            replica.urls[context.endpoint],
            _headers(context, replica),
            _body(context, pool, replica),
            limits.connect_seconds,
            replica.trust,
        )
        try:
            status = answer.status
            if context.answer_guard is not None and status < 300:
                answer = await context.answer_guard.hold(context, answer)
            if status >= 300:
                outcome = _judge(status)
                retry_after = answer.header("retry-after")
                if status in RETRIED_STATUSES:
                    place = next_place(context, destinations, pool, tried)
                    if place is not None:
                        return place
                await relay.relay_error(context, answer)
            elif context.stream and (answer.header("content-type") or b"").startswith(b"text/event-stream"):
                await relay.relay_stream(context, answer)
                outcome = _answered(context, pool)
            else:
                await relay.relay_whole(context, answer)
                outcome = _answered(context, pool)
        finally:
            answer.close()
        return None
    except UpstreamUnreachable:
        reached = False
        context.sent_at = 0.0
        outcome = Outcome.FAILED
        failure = engine_errors.unavailable()
    except UpstreamLost:
        outcome = Outcome.FAILED
        failure = engine_errors.lost()
    except Refusal as refusal:
        if refusal.code in _ITS_FAULT:
            outcome = Outcome.FAILED
        if context.answer_started or refusal.code not in _REPEATED:
            raise
        failure = refusal
    finally:
        if life.cause is not None:
            outcome = _judge_cut(life.cause, context)
        if context.stream:
            replica.streams.pop(life, None)
        pool.release(replica, outcome, retry_after)
        if destinations.versions is not None:
            began = context.sent_at if context.stream else 0.0
            destinations.versions.count(pool.name, outcome, began, context.first_byte_at, time.monotonic())
    return await _after(context, pool, replica, tried, failure, reached)


async def _after(
    context: RequestContext, pool: Pool, replica: Replica, tried: list[Replica], failure: Refusal, reached: bool
) -> Place:
    """Where to go after a call that failed without an answer. Raises `failure` when nowhere."""
    assert context.model is not None
    if context.bound:
        raise failure
    if not reached:
        pool.unreachable(replica)
    place = next_place(context, context.model.destinations, pool, tried, sent=reached)
    if place is None and not reached:
        place = await held_place(context, context.model.destinations, pool, replica)
    if place is None:
        raise failure
    return place


def _answered(context: RequestContext, pool: Pool) -> Outcome:
    """An answer was relayed, to its end or as far as the engine gave it."""
    if context.reason in _ITS_FAULT:
        return Outcome.FAILED
    if not context.reason:
        pool.answered_at = time.monotonic()
    return Outcome.GOOD


def _judge(status: int) -> Outcome:
    if status == 429:
        return Outcome.BUSY
    # Other 4xx are the client's doing, but not those by which an engine refuses the gateway itself.
    return Outcome.FAILED if status >= 500 or status in (401, 403, 407) or status < 400 else Outcome.GOOD


def _judge_cut(cause: Cause, context: RequestContext) -> Outcome:
    """The request was cut short: was it the replica's silence?"""
    if cause in (Cause.FIRST_BYTE, Cause.STREAM_IDLE):
        return Outcome.HUNG
    if cause is Cause.TOTAL and not context.first_byte_at:
        return Outcome.HUNG if context.stream else Outcome.FAILED
    return Outcome.NEUTRAL


def _body(context: RequestContext, pool: Pool, replica: Replica) -> bytes:
    name = replica.model
    if name is None:
        if context.model is not None and pool.name == context.model.name:
            return context.body
        name = pool.name
    return with_model(context.body, name)


def _labels(context: RequestContext, pool: Pool, replica: Replica) -> tuple[Header, ...]:
    """What the answer says about who served it: always the boundary, the rest where it is news."""
    if context.route:
        return (*replica.labels, (b"x-slipway-route", context.route.encode()))
    return replica.labels[:1] if context.model is None or pool.name == context.model.name else replica.labels


def _headers(context: RequestContext, replica: Replica) -> dict[str, str]:
    """Only what an engine needs. The client's own headers, its key first of all, stay here."""
    headers = {"Content-Type": "application/json", "X-Request-Id": context.request_id.decode("ascii")}
    if replica.authorization is not None:
        headers["Authorization"] = replica.authorization
    if (traceparent := propagate(context)) is not None:
        headers["Traceparent"] = traceparent
    return headers
