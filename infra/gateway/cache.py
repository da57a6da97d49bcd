"""The gateway's response cache in a deployment: where answers are kept, how many and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from infra.gateway.secret import AbsolutePath, SecretSettings
from infra.problems import Problem
from infra.settings import Settings
from infra.stack_file import KeyPath

_ANSWER_BYTES = 1_048_576
_ALL_BYTES = 67_108_864
AnswerBytes = Annotated[int, Field(ge=256, le=16_777_216, description="Larger answers are not kept.")]
AgeSeconds = Annotated[float, Field(ge=0.1, le=2_592_000, description="How long an answer is given again, in seconds.")]


class MemoryCacheSettings(Settings):
    """Kept by the gateway's process."""

    kind: Literal["memory"] = Field(description="Kept by the gateway's process, and forgotten when it ends.")
    largest_bytes: int = Field(
        default=_ALL_BYTES,
        ge=65_536,
        le=17_592_186_044_416,
        description="Memory for all answers; what was not asked for longest goes first.",
    )
    largest_answer_bytes: AnswerBytes = _ANSWER_BYTES
    age_seconds: AgeSeconds = 3600


class RedisCacheSettings(Settings):
    """Kept, encrypted, in a Redis or Valkey that gateways share."""

    kind: Literal["redis"] = Field(description="Kept, encrypted, in a Redis or Valkey that gateways share.")
    url: SecretSettings = Field(
        description="Its address with the password in it: one line `redis://`, `rediss://` (TLS) or `unix://`."
    )
    key: SecretSettings = Field(description="What answers are encrypted with: 32 to 64 random characters.")
    largest_bytes: int = Field(
        default=_ALL_BYTES,
        ge=65_536,
        le=17_592_186_044_416,
        description="Memory of Redis for all answers; the oldest go first.",
    )
    largest_answer_bytes: AnswerBytes = _ANSWER_BYTES
    age_seconds: AgeSeconds = 3600
    namespace: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = Field(
        default="slipway", description="Begins the names of its keys; gateways with the same one share."
    )
    timeout_seconds: float = Field(
        default=0.1, ge=0.01, le=0.5, description="Longest time for one exchange, in seconds; then nothing is found."
    )
    ca_file: AbsolutePath | None = Field(
        default=None, description="Authorities to trust for `rediss://`, a PEM file; unset, the system's."
    )


CacheSettings = Annotated[MemoryCacheSettings | RedisCacheSettings, Field(discriminator="kind")]


def cache_problems(cache: dict[str, Any]) -> Iterator[tuple[KeyPath, Problem]]:
    """What a single field cannot say; `cache` is plain data of any shape."""
    together = cache.get("largest_bytes", _ALL_BYTES)
    one = cache.get("largest_answer_bytes", _ANSWER_BYTES)
    if type(together) is int and type(one) is int and one > together >= 65_536:
        yield (
            ("gateway", "cache", "largest_answer_bytes" if "largest_answer_bytes" in cache else "largest_bytes"),
            Problem(
                where="",
                found=f"one answer of up to {one} bytes in a cache of {together} bytes",
                allowed="`largest_answer_bytes` up to `largest_bytes`",
                remedy="raise `largest_bytes` or lower `largest_answer_bytes`",
            ),
        )
