"""The gateway's response cache in a deployment: where answers are kept, how many and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from infra.problems import Problem
from infra.settings import Settings
from infra.stack_file import KeyPath

_ANSWER_BYTES = 1_048_576
_ALL_BYTES = 67_108_864
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\x00-\x1f]+$", max_length=4096)]
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
    url_file: AbsolutePath = Field(
        description="Absolute path, where the gateway runs, of a file with the line redis://, rediss:// or unix://."
    )
    key_file: AbsolutePath = Field(
        description="Absolute path, where the gateway runs, of a file with the secret that answers are encrypted with."
    )
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
    ca_file: AbsolutePath | None = Field(
        default=None, description="Certificates to trust for rediss://; unset, the system's."
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
