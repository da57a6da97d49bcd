"""The fields of the configuration file that say what GET /health/deep asks, and how often."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from msgspec import Meta

from serving.gateway.strict import Strict, problem

Seconds = Annotated[float, Meta(ge=1, le=3600)]


class DeepHealthConfig(Strict, frozen=True):
    """Whether each of `models` has answered within `every_seconds`, or gives one token within `timeout_seconds`."""

    models: Annotated[tuple[str, ...], Meta(min_length=1)]
    every_seconds: Seconds = 15.0
    timeout_seconds: Seconds = 10.0


def check_deep_health(
    where: str, config: DeepHealthConfig | None, models: Collection[str], problems: list[str]
) -> None:
    """Nobody could ask a model that is not there."""
    for number, name in enumerate(config.models if config else (), 1):
        if name not in models:
            found = f"a model (number {number}, not shown) that is not one"
            problems.append(problem(f"{where}.models", found, "names of `models`", "Correct it or remove it."))
