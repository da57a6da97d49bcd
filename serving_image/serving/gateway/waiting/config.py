"""The fields of the configuration file that say how long requests may wait."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from serving.gateway.strict import Strict

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class QueueConfig(Strict, frozen=True):
    """Requests that wait for a replica below its `concurrent_requests`: at most `size` of them, each at most
    `seconds`. Higher `clients.<c>.priority` first, then clients in turn; whoever has waited `lets_pass_seconds` lets
    those pass who have not. Without limits nothing ever waits."""

    size: Annotated[int, Meta(ge=0, le=1_000_000)] = 1000
    seconds: Seconds = 30.0
    lets_pass_seconds: Seconds | None = None


class HoldConfig(Strict, frozen=True):
    """Requests that wait for a model without any ready replica (scaled to zero, starting, all down): at most `size`
    of them, each at most `seconds`. A stream that waited `keep_alive_seconds` gets its head and then a comment every
    so often, so that nothing in between closes it; from then on a failure can only be an error event."""

    size: Annotated[int, Meta(ge=0, le=1_000_000)] = 1000
    seconds: Seconds = 120.0
    keep_alive_seconds: Seconds = 10.0


class DemandConfig(Strict, frozen=True):
    """What GET /scaling/MODEL tells beside what is there now: `arriving_per_second`, so that `kept_percent` of the last
    hour's requests would be taken within `slice_seconds`; `mean_in_flight` of the last `mean_seconds`. Where that
    `wakes` the first replica, a gateway is ready while there is none."""

    slice_seconds: Annotated[int, Meta(ge=1, le=3600)]
    mean_seconds: Annotated[int, Meta(ge=1, le=3600)]
    kept_percent: Annotated[float, Meta(ge=1, le=100)]
    wakes: bool = False


class ScalingConfig(Strict, frozen=True):
    """GET /scaling/MODEL on the operations listener; with `key_file` only for `Bearer KEY`."""

    key_file: str | None = None
