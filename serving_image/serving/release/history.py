"""What looks at a release found, kept for metrics and pictures: all decisions, and of other looks an even choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Annotated, Literal

from msgspec import Meta

from serving.gateway.strict import Strict
from serving.gateway.telemetry.distribution import FIRST_TOKEN

# Some 100 KB: an object of Kubernetes has 1 MiB at most, for everything of all releases.
MOST_LOOKS = 160
Phase = Literal["running", "paused", "done", "rolled_back"]
CriterionName = Literal["error_rate", "time_to_first_token"]
Count = Annotated[int, Meta(ge=0)]


class Figures(Strict, frozen=True, omit_defaults=True):
    """Of one version, since its step began; of the old one since the release did. `p95_seconds` is of the time to the
    first token, as exact as the bounds that gateways count by."""

    answers: Count = 0
    failed: Count = 0
    first_tokens: Count = 0
    late: Count = 0
    p95_seconds: float | None = None


class Criterion(Strict, frozen=True):
    """How far a limit's test is: the logarithm of the ratio of likelihoods lets on at `passes_at` or below, and rolls
    back at `ends_at` or above. `limit_percent` is what the old version's own figures make of the limit."""

    name: CriterionName
    ratio: float
    passes_at: float
    ends_at: float
    limit_percent: float
    verdict: Literal["good", "bad", "open"]


class Look(Strict, frozen=True, omit_defaults=True):
    """What was found, and where the release was after it. `said` is a decision, with what it rests on; a person's has
    no figures. `right_percent` and `passed` are of an evaluation that was answered since the look before."""

    at: float
    step: Annotated[int, Meta(ge=-1, le=20)]
    percent: Annotated[float, Meta(ge=0, le=100)]
    phase: Phase = "running"
    said: str = ""
    stable: Figures | None = None
    candidate: Figures | None = None
    criteria: tuple[Criterion, ...] = ()
    right_percent: float | None = None
    passed: bool | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was rolled back, if it was."""
        if self.phase != "rolled_back":
            return ()
        found = [criterion.name for criterion in self.criteria if criterion.verdict == "bad"]
        return (*found, *(("evaluation",) if self.passed is False else ())) or ("by_hand",)


def thinned(looks: Iterable[Look], most: int = MOST_LOOKS) -> tuple[Look, ...]:
    """Those that are nearest to others go first, so that the rest is spread over all of the time; decisions, answers
    and both ends stay. Where there are too many of these, the oldest go."""
    kept = list(looks)
    while len(kept) > most:
        others = [n for n in range(1, len(kept) - 1) if not kept[n].said and kept[n].passed is None]
        del kept[min(others, key=lambda n: kept[n + 1].at - kept[n - 1].at) if others else 0]
    return tuple(kept)


def percentile(counts: Sequence[int], share: float, bounds: Sequence[float] = FIRST_TOKEN) -> float | None:
    """Of counts between bounds, the last of which is beyond all: as Prometheus does it, straight within a bucket."""
    wanted = share * sum(counts)
    if not wanted:
        return None
    below, lower = 0, 0.0
    for count, upper in zip(counts, (*bounds, float("inf")), strict=False):
        if below + count >= wanted:
            return round(lower + (upper - lower) * (wanted - below) / count, 5) if isfinite(upper) else lower
        below, lower = below + count, upper
    return lower
