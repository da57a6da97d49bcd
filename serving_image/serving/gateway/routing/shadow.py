"""Shadow traffic: copies of requests to another model's replicas, whose answers nobody sees."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from serving.gateway.routing.replica import Outcome, Replica
from serving.gateway.routing.rewrite import with_model
from serving.gateway.upstream import UpstreamLost, UpstreamUnreachable

if TYPE_CHECKING:
    from serving.gateway.context import RequestContext
    from serving.gateway.routing.table import Shadow

# The event loop keeps only weak references to tasks.
_running: set[asyncio.Task[None]] = set()


def cast_shadow(context: RequestContext, shadow: Shadow, boundary: str) -> None:
    """Perhaps start a copy. Never waits, never refuses, and only goes where `boundary` is: what may not leave is not
    copied out either."""
    if random.random() >= shadow.share:  # noqa: S311 - a sample
        return
    counts = shadow.pool.counters.shadow
    if shadow.running >= shadow.concurrent or shadow.pool.queue.size:
        counts["dropped"] += 1
        return
    allowed = context.boundaries
    context.boundaries = frozenset((boundary,))
    replica = shadow.pool.take(context)
    context.boundaries = allowed
    if replica is None:
        counts["dropped"] += 1
        return
    task = asyncio.get_running_loop().create_task(_copy(context, shadow, replica))
    _running.add(task)
    task.add_done_callback(_running.discard)


async def end_shadows() -> None:
    """The gateway stops: copies are not worth waiting for."""
    for task in list(_running):
        task.cancel()
    await asyncio.gather(*_running, return_exceptions=True)


async def _copy(context: RequestContext, shadow: Shadow, replica: Replica) -> None:
    assert context.model is not None
    headers = {"Content-Type": "application/json", "X-Request-Id": f"{context.request_id.decode('ascii')}.shadow"}
    if replica.authorization is not None:
        headers["Authorization"] = replica.authorization
    body = with_model(context.body, replica.model or shadow.pool.name)
    limit = context.policy.limits.connect_seconds
    outcome = Outcome.NEUTRAL
    result = "failed"
    first_byte_at, began = 0.0, time.monotonic()
    shadow.running += 1
    try:
        async with asyncio.timeout(context.model.longest_generation_seconds):
            answer = await context.upstreams.open(replica.urls[context.endpoint], headers, body, limit, replica.trust)
            try:
                while await answer.read():
                    if not first_byte_at and answer.status < 300:
                        first_byte_at = time.monotonic()
            finally:
                answer.close()
            outcome = Outcome.FAILED if answer.status >= 500 else Outcome.GOOD
            result = "done" if answer.status < 400 else "failed"
    except (UpstreamLost, UpstreamUnreachable, TimeoutError):
        outcome = Outcome.FAILED
    finally:
        shadow.running -= 1
        shadow.pool.counters.shadow[result] += 1
        shadow.pool.release(replica, outcome)
        if shadow.versions is not None:
            began = began if context.stream else 0.0
            shadow.versions.count(shadow.pool.name, outcome, began, first_byte_at, time.monotonic())
