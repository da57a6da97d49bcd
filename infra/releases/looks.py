"""What a judge kept of its looks at a release (serving/release/history.py), as pictures and pages read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one version, since its step began; of the old one since the release did."""

    answers: int = 0
    failed: int = 0
    first_tokens: int = 0
    late: int = 0
    p95_seconds: float | None = None

    @property
    def failed_percent(self) -> float | None:
        return 100 * self.failed / self.answers if self.answers else None


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A limit's test: it lets on at `passes_at` or below and rolls back at `ends_at` or above."""

    name: str
    ratio: float
    passes_at: float
    ends_at: float
    limit_percent: float


@dataclass(frozen=True, kw_only=True)
class Look:
    """`said` is a decision; where `passed` is not None, an evaluation was answered since the look before."""

    at: float
    step: int
    percent: float
    phase: str = "running"
    said: str = ""
    stable: Figures | None = None
    candidate: Figures | None = None
    criteria: tuple[Criterion, ...] = ()
    right_percent: float | None = None
    passed: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Course:
    """Of one release. `looks` are in order; none: it has not begun. `first_token_seconds` None: that is not judged."""

    site: str
    model: str
    candidate: str
    looks: tuple[Look, ...]
    sends: str
    error_percent: float
    first_token_seconds: float | None

    @property
    def where(self) -> str:
        """How far it is, in words."""
        if not self.looks:
            return "not begun"
        last = self.looks[-1]
        copies = "" if self.sends == "share" else " as copies"
        return last.phase.replace("_", " ") if last.phase != "running" else f"running at {last.percent:g} %{copies}"

    @property
    def decided(self) -> tuple[Look, ...]:
        return tuple(look for look in self.looks if look.said)


_LOOKS = TypeAdapter(tuple[Look, ...])


def looks_of(state: Mapping[str, Any]) -> tuple[Look, ...]:
    """Raises ValueError where they are not what a judge writes."""
    try:
        found = _LOOKS.validate_python(state.get("history", ()))
    except ValidationError as error:
        raise ValueError(f"{error.error_count()} places of its history") from None
    return tuple(sorted(found, key=lambda look: look.at))
