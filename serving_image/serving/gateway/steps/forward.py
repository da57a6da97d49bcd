"""Step: send the request to an engine and relay its answer."""

from __future__ import annotations

from math import inf

from serving.gateway import engine_errors, relay
from serving.gateway.context import RequestContext
from serving.gateway.lifeline import Cause
from serving.gateway.policy import Model, Target
from serving.gateway.upstream import UpstreamLost, UpstreamUnreachable

_PATHS = {
    "chat_completions": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}


async def forward(context: RequestContext) -> None:
    """One call to one engine: no second one, except inside the upstream client for a dead kept connection."""
    model = context.model
    assert model is not None
    limits = context.policy.limits
    life = context.lifeline
    longest = model.longest_generation_seconds
    life.end_after(longest)
    if context.stream and limits.first_byte_seconds is not None:
        # Only streams: an answer that is not one comes when the whole generation is done.
        life.phase(Cause.FIRST_BYTE, limits.first_byte_seconds)
    else:
        life.phase(Cause.TOTAL, inf)
    load = model.load
    load.in_flight += 1
    try:
        await _call(context, choose_target(model))
    finally:
        load.in_flight -= 1


async def _call(context: RequestContext, target: Target) -> None:
    url = target.url + _PATHS[context.endpoint]
    limit = context.policy.limits.connect_seconds
    try:
        answer = await context.upstreams.open(url, _headers(context, target), context.body, limit)
    except UpstreamUnreachable:
        raise engine_errors.unavailable() from None
    except UpstreamLost:
        raise engine_errors.lost() from None
    try:
        if answer.status >= 300:
            await relay.relay_error(context, answer)
        elif context.stream and (answer.header("content-type") or b"").startswith(b"text/event-stream"):
            await relay.relay_stream(context, answer)
        else:
            await relay.relay_whole(context, answer)
    finally:
        answer.close()


def choose_target(model: Model) -> Target:
    """In turn, those that answered their last probe first; with none of those, any: a probe may be wrong."""
    targets = model.targets
    if len(targets) == 1:
        return targets[0]
    model.next_target = start = (model.next_target + 1) % len(targets)
    turn = targets[start:] + targets[:start]
    return next((target for target in turn if target.reachable), turn[0])


def _headers(context: RequestContext, target: Target) -> dict[str, str]:
    """Only what an engine needs. The client's own headers, its key first of all, stay here."""
    headers = {"Content-Type": "application/json", "X-Request-Id": context.request_id.decode("ascii")}
    if target.authorization is not None:
        headers["Authorization"] = target.authorization
    return headers
