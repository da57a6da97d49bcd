"""Release `shadow`: copies of requests, whose answers nobody gets; it ends with a verdict and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from infra.problems import Problem
from infra.releases.base import ReleaseSettings


class ShadowReleaseSettings(ReleaseSettings):
    """Copies of requests, whose answers are thrown away: what they show is the whole release."""

    kind: Literal["shadow"] = Field(description="Copies of requests, whose answers nobody gets.")
    percent: float = Field(
        default=10.0, ge=0.001, le=100, description="Share of the requests that is copied, in percent."
    )
    concurrent_requests: int = Field(default=4, ge=1, le=1000, description="Copies at the same time at most.")


class Shadow:
    """Implements the release `shadow`."""

    settings = ShadowReleaseSettings

    def problems(self, where: str, settings: ShadowReleaseSettings) -> Iterator[Problem]:
        del where, settings
        return iter(())

    def rules(self, settings: ShadowReleaseSettings) -> Mapping[str, Any]:
        return {
            "sends": "copies",
            "steps": [settings.percent],
            "concurrent_copies": settings.concurrent_requests,
        }


SHADOW = Shadow()
