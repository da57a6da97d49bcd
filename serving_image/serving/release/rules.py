"""The rules of a model's release, as the gateways' file has them: they are the plan's, and no judge changes them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from serving.gateway.strict import Strict

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
Percent = Annotated[float, Meta(gt=0, le=100)]
# Enough of a digest to tell two versions apart.
_DIGEST_CHARACTERS = 16


class ReleaseRules(Strict, frozen=True):
    """`candidate` is the model that is to serve instead. It gets a share of the requests, or copies whose answers are
    thrown away, in percent of `steps`, one after the other, each for `hold_seconds` at least. The limits are those of
    `abort_on`: failed answers in percent, and the 95th percentile of the time to the first token (None: not judged).
    Before each step the candidate is asked the questions of `evaluation`, a name among all trials (None: of none)."""

    candidate: Name
    sends: Literal["share", "copies"]
    steps: Annotated[tuple[Percent, ...], Meta(min_length=1, max_length=20)]
    hold_seconds: Annotated[float, Meta(ge=0)]
    error_percent: Annotated[float, Meta(gt=0, lt=100)]
    first_token_seconds: Annotated[float, Meta(gt=0)] | None = None
    evaluation: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    sticky: Literal["client", "session", "none"] = "none"
    concurrent_copies: Annotated[int, Meta(ge=1, le=1000)] = 4


def identity(candidate: str, digest: str | None) -> str:
    """Which release it is: other weights of the same name are another one, and begin at the beginning."""
    return f"{candidate}@{digest[:_DIGEST_CHARACTERS]}" if digest else candidate
