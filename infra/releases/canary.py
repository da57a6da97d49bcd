"""Release `canary`: a share of the requests that grows step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field

from infra.problems import Problem
from infra.releases.base import ReleaseSettings

Percent = Annotated[float, Field(ge=0.001, le=100)]


class CanarySettings(ReleaseSettings):
    """A share of the requests that grows."""

    kind: Literal["canary"] = Field(description="A share of the requests that grows step by step.")
    steps: list[Percent] = Field(
        default_factory=lambda: [1.0, 10.0, 50.0, 100.0],
        min_length=1,
        max_length=20,
        description="Shares of the new version in percent of the requests, from 0.001 and growing up to 100.",
    )
    sticky: Literal["client", "session", "none"] = Field(
        default="none",
        description="Who stays with a version while the share stays: a client, a value of the header `x-session-id`, "
        "or nobody. A client who makes most requests makes a small share all or nothing.",
    )


class Canary:
    """Implements the release `canary`."""

    settings = CanarySettings

    def problems(self, where: str, settings: CanarySettings) -> Iterator[Problem]:
        steps = settings.steps
        if steps[-1] != 100 or any(later <= earlier for earlier, later in pairwise(steps)):
            yield Problem(
                where=f"{where}.steps",
                found=", ".join(f"{step:g}" for step in steps),
                allowed="shares that grow, the last one 100",
                remedy="write them in order, such as `[1, 10, 50, 100]`",
            )

    def rules(self, settings: CanarySettings) -> Mapping[str, Any]:
        return {"sends": "share", "steps": settings.steps, "sticky": settings.sticky}


CANARY = Canary()
