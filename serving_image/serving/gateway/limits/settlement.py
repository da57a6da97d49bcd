"""Ends a request's reservation with what it really used: from `usage`, or from what was seen of an answer without."""

from __future__ import annotations

import time

from serving.gateway.context import RequestContext
from serving.gateway.limits.quota import Reservation

# The client's own doing: what the engine computed until then is the client's to pay. Before the first byte, anything
# else that went wrong is on our side, and costs nothing.
_BY_THE_CLIENT = frozenset(("client_gone", "client_stalled", "generation_too_long"))


def settle(context: RequestContext, duration: float) -> None:
    """A finisher: runs at the end of every request, also after an abort, an error and a disconnect."""
    reservation = context.reservation
    if reservation is None:
        return
    context.reservation = None
    ledger = context.policy.ledger
    prompt, output = _used(context, reservation, duration)
    quota = reservation.quota
    if context.overflow_price is not None:
        ledger.overflowed(context.overflow_price.of(prompt, output))
    context.cost = reservation.settle(prompt, output, time.monotonic(), ledger.store.leasing) / 1e9
    ledger.store.active.add(quota.client)


def _used(context: RequestContext, reservation: Reservation, duration: float) -> tuple[int, int]:
    measure = reservation.quota.measure
    scanner = context.scanner
    prompt, output = context.prompt_tokens, context.output_tokens
    if scanner is not None and scanner.usage is not None:
        # The client may have left between the usage event and the end.
        prompt, output = scanner.usage.prompt_tokens, scanner.usage.completion_tokens
    seconds = duration - (context.sent_at - context.started_at) if context.sent_at else 0.0
    if prompt or output:
        if context.status < 300:
            measure.learn_prompt(reservation.sent_bytes, prompt)
            measure.learn_output(output, scanner.events if scanner is not None else 0, seconds)
        return prompt, output
    if not context.sent_at or context.reason == "engine_error":
        return 0, 0
    if scanner is not None and scanner.events:
        return reservation.prompt_tokens, measure.output_of_events(scanner.events)
    if not context.first_byte_at and context.reason not in _BY_THE_CLIENT:
        return 0, 0
    unseen = 0 if context.stream else measure.output_of_seconds(seconds, reservation.output_tokens)
    return reservation.prompt_tokens, unseen
