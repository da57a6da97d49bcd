"""What a client is told when a quota stops it: 429 with the limit's kind and Retry-After, 400 for what can never fit,
503 while the shared store is away."""

from __future__ import annotations

import math

from serving.gateway.limits.meter import BURST_SECONDS, Meter
from serving.gateway.limits.quota import NANODOLLARS, Reservation
from serving.gateway.refusal import Refusal, four_parts

_HIGHER = "or ask the gateway's operator for a higher limit."
_WHERE = {
    "requests": "requests per minute",
    "tokens_per_minute": "tokens per minute",
    "tokens_per_day": "tokens per day (UTC)",
    "concurrent_requests": "concurrent requests",
    "budget": "dollars per month (UTC)",
}


def retry_after(wait: float) -> bytes:
    """Whole seconds, rounded up: a client that waits as told is not refused again."""
    return b"%d" % max(1, math.ceil(wait - 1e-9))


def over_limit(meter: Meter, amount: int, now: float, leasing: bool) -> Refusal:
    """429. Its `type` and the reason in log and metrics name the kind of limit; `code` is the one clients know."""
    seconds = retry_after(meter.wait(amount, now, leasing))
    where = _WHERE[meter.kind] + (f" with the model {meter.model}" if meter.model else "")
    if meter.kind == "requests":
        found = f"more than {_per_minute(meter)} per minute with a burst of {meter.capacity}"
        allowed = f"{_per_minute(meter)} requests per minute, {BURST_SECONDS} seconds' worth of them at once"
    elif meter.kind == "concurrent_requests":
        found, allowed = f"{meter.capacity} requests running", f"{meter.capacity} at a time"
    else:
        found = f"a request that may use up to {_text(meter, amount)}, and less than that left"
        allowed = _text(meter, meter.capacity)
    return Refusal(
        429,
        "rate_limit_exceeded",
        four_parts(where, found, allowed, f"Wait {seconds.decode()} s (Retry-After), {_HIGHER}"),
        kind=meter.kind,
        retry_after=seconds,
        reason=f"limit_{meter.kind}",
    )


def never_fits(meter: Meter, reservation: Reservation, amount: int) -> Refusal:
    """400: larger than the whole limit, so waiting does not help."""
    found = (
        f"a request that may use {_text(meter, amount)} (prompt about {reservation.prompt_tokens} tokens, answer up to "
        f"{reservation.output_tokens})"
    )
    return Refusal(
        400,
        "request_larger_than_limit",
        four_parts(
            _WHERE[meter.kind], found, _text(meter, meter.capacity), f"Lower max_tokens, shorten the prompt, {_HIGHER}"
        ),
        param="max_tokens",
        reason=f"larger_than_limit_{meter.kind}",
    )


def store_away() -> Refusal:
    """503: the configuration says that nobody spends what nobody counts."""
    return Refusal(
        503,
        "limits_unavailable",
        four_parts(
            "limits",
            "no answer from the shared store of limits",
            "a store that answers",
            "Try again after Retry-After.",
        ),
        kind="api_error",
        retry_after=b"1",
    )


def _per_minute(meter: Meter) -> int:
    return round(meter.rate * 60)


def _text(meter: Meter, amount: int) -> str:
    return f"{amount / NANODOLLARS:.6g} dollars" if meter.kind == "budget" else f"{amount} tokens"
