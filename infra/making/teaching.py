"""What refreshes that teach by low-rank adapters have in common: how it is learned, and what must hold."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from infra.making.base import MakingSettings
from infra.settings import Settings


class DifferentialPrivacySettings(Settings):
    """Whoever has the weights can hardly tell whether one line was in the data. Costs quality, and needs many lines."""

    epsilon: float = Field(
        ge=0.001, le=100, description="The most that may be told of one line: 1 is little, 8 is usual."
    )
    delta: float = Field(
        ge=1e-12, le=0.1, description="How probable more than that may be; below one divided by the number of lines."
    )
    max_gradient_norm: float = Field(
        default=1.0,
        ge=1e-6,
        le=1000,
        description="How much one line may change in a step: its gradient is cut to this.",
    )


class TeachingSettings(MakingSettings):
    """Base of their settings."""

    at_least_right_percent: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Of a hundred answers, how many must be right of the result; unset, none more than of the original "
        "less `at_most_loss_percent`.",
    )
    epochs: int = Field(default=5, ge=1, le=1000, description="How often each line is learned.")
    batch_lines: int = Field(default=4, ge=1, le=4096, description="Lines of one step.")
    line_tokens: int = Field(default=512, ge=16, le=1_000_000, description="The most tokens that one line may have.")
    rank: int = Field(default=8, ge=1, le=1024, description="Of the adapters: more learn more, and forget more.")
    learning_rate: float = Field(default=0.001, ge=1e-9, le=1, description="How far each step goes.")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="What decides where adapters start, and the order.")
    checkpoint_steps: int = Field(
        default=10, ge=1, le=1_000_000, description="Steps after which what was learned is kept, to go on from there."
    )
    differential_privacy: DifferentialPrivacySettings | None = Field(
        default=None, description="Privacy of each line, by Opacus; unset, none."
    )


def tuning(settings: TeachingSettings) -> dict[str, Any]:
    """The part of the tuning's own settings that says how it is learned."""
    privacy = settings.differential_privacy
    return {
        **_learned(settings),
        "checkpoint_steps": settings.checkpoint_steps,
        "privacy": privacy.model_dump() if privacy else None,
    }


def parameters(settings: TeachingSettings) -> dict[str, str | int | float | bool]:
    """What the version's card says of it."""
    privacy = settings.differential_privacy
    private = {f"privacy_{name}": value for name, value in privacy.model_dump().items()} if privacy else {}
    return {**_learned(settings), **private}


def holds(settings: TeachingSettings) -> tuple[str, ...]:
    """What must hold of the result, for a reader of the plan."""
    least, privacy = settings.at_least_right_percent, settings.differential_privacy
    return (
        *(() if least is None else (f"{least:g} % right answers at least",)),
        *((f"epsilon {privacy.epsilon:g} of each line at most",) if privacy else ()),
    )


def _learned(settings: TeachingSettings) -> dict[str, Any]:
    return {
        "epochs": settings.epochs,
        "batch": settings.batch_lines,
        "max_tokens": settings.line_tokens,
        "rank": settings.rank,
        "alpha": 2 * settings.rank,
        "learning_rate": settings.learning_rate,
        "seed": settings.seed,
    }
