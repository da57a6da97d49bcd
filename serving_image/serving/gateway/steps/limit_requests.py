"""Step: is the client within its requests per minute?"""

from __future__ import annotations

from serving.gateway.context import RequestContext
from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.request_rate import BURST_SECONDS, retry_after


def limit_requests(context: RequestContext) -> None:
    """Count this request; 429 with Retry-After when it is one too many."""
    rate = context.client.rate if context.client else None
    if rate is None:
        return
    wait = rate.take()
    if wait:
        seconds = retry_after(wait)
        raise Refusal(
            429,
            "rate_limit_exceeded",
            four_parts(
                "requests per minute",
                f"more than {rate.per_minute} per minute with a burst of {rate.burst}",
                f"{rate.per_minute} requests per minute, {BURST_SECONDS} seconds' worth of them at once",
                f"Wait {seconds.decode()} s (Retry-After), or ask the gateway's operator for a higher limit.",
            ),
            kind="rate_limit_error",
            retry_after=seconds,
        )
