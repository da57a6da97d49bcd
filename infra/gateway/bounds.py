"""Bounds of one request and of one connection, before an engine sees a byte."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from infra.settings import Settings

Seconds = Annotated[float, Field(ge=0.1, le=86_400)]


class RequestLimitsSettings(Settings):
    """What one request may be, and how slow."""

    body_bytes: int = Field(
        # One prompt of 128k tokens is about 0.5 MB of text; the rest is for tools, JSON escapes and images by value.
        default=4 * 1024 * 1024,
        ge=1,
        le=2**30,
        description="Longest body of a request.",
    )
    messages: int = Field(default=2048, ge=1, le=1_000_000, description="Messages in one request.")
    choices: int = Field(default=8, ge=1, le=1024, description="Answers to one request (`n`).")
    connect_seconds: Seconds = Field(default=5.0, description="To connect to an engine, in seconds.")
    first_byte_seconds: Seconds | None = Field(
        default=None,
        description="Until a stream's first byte, in seconds; unset, as long as the longest generation.",
    )
    stream_idle_seconds: Seconds = Field(
        default=60.0, description="Silence in the middle of a stream, from the engine or the client, in seconds."
    )
    header_seconds: Seconds = Field(default=10.0, description="For a request's head to arrive, in seconds.")
    body_seconds: Seconds = Field(default=60.0, description="For a request's body to arrive, in seconds.")
    keep_alive_seconds: int = Field(
        default=75,
        ge=1,
        le=86_400,
        description="How long an idle connection is kept. Longer than what stands in front reuses one: that must be "
        "the first to close (620 behind Google's load balancers).",
    )
