"""Release `blue_green`: all requests at once, when the new version answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from infra.problems import Problem
from infra.releases.base import ReleaseSettings


class BlueGreenSettings(ReleaseSettings):
    """All requests at once, as soon as every gateway finds that the new version answers; both stay up meanwhile."""

    kind: Literal["blue_green"] = Field(description="All requests at once, and back at once.")


class BlueGreen:
    """Implements the release `blue_green`."""

    settings = BlueGreenSettings

    def problems(self, where: str, settings: BlueGreenSettings) -> Iterator[Problem]:
        del where, settings
        return iter(())

    def rules(self, settings: BlueGreenSettings) -> Mapping[str, Any]:
        del settings
        return {"sends": "share", "steps": [100.0]}


BLUE_GREEN = BlueGreen()
