"""The x-ratelimit headers that OpenAI's clients know, on answers of clients that have such limits."""

from __future__ import annotations

from serving.gateway.asgi import Header
from serving.gateway.limits.meter import Meter

_REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")


def limit_headers(meter: Meter, now: float, leasing: bool) -> tuple[Header, Header, Header]:
    """Limit, what is left, and when all of it will be. The limit of requests is the burst, as `remaining` counts in it.

    With a shared store, as this gateway knew it last.
    """
    left, reset = meter.remaining(now, leasing)
    names = _REQUESTS if meter.kind == "requests" else _TOKENS
    return (
        (names[0], b"%d" % meter.capacity),
        (names[1], b"%d" % left),
        (names[2], b"%.3fs" % reset),
    )
