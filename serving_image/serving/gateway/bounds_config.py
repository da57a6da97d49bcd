"""The `limits` part of the configuration file: bounds of one request and of one connection."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from serving.gateway.strict import Strict

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class LimitsConfig(Strict, frozen=True):
    """Bounds of one request and of one connection. Fields with a default may be left out of the file."""

    body_bytes: Count
    messages: Count
    choices: Count
    connect_seconds: Seconds
    keep_alive_seconds: Count
    # Until the first byte of an engine's answer; null: as long as the model's longest generation.
    first_byte_seconds: Seconds | None = None
    # Silence in the middle of a stream, from the engine or from a client that stopped reading.
    stream_idle_seconds: Seconds = 60.0
    # Request heads and bodies that trickle in (slow-loris).
    header_seconds: Seconds = 10.0
    body_seconds: Seconds = 60.0
