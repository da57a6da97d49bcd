"""What optimisations have in common: the result is to be the same model, only smaller or faster."""

from __future__ import annotations

from pydantic import Field

from infra.making.base import MakingSettings


class OptimisationSettings(MakingSettings):
    """Base of every optimisation's settings."""

    at_least_same_percent: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="At how many of a hundred places in a text the original and the result must go on alike, which "
        "tells smaller differences than questions do; unset, it is only recorded.",
    )


def alike(settings: OptimisationSettings) -> tuple[str, ...]:
    """That, for a reader of the plan."""
    least = settings.at_least_same_percent
    return () if least is None else (f"goes on alike at {least:g} % of places at least",)
