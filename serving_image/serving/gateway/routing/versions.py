"""How the two versions of a model do while one is released: counted per call, so that no retry hides a failure."""

from __future__ import annotations

from serving.gateway.routing.replica import Outcome
from serving.gateway.telemetry.distribution import FIRST_TOKEN, Distribution

STABLE, CANDIDATE = "stable", "candidate"


class Version:
    """Counts of one version since the process started: answers, and first tokens of streams."""

    __slots__ = ("failed", "first_token", "good", "in_time", "late")

    def __init__(self) -> None:
        self.good = self.failed = self.in_time = self.late = 0
        self.first_token = Distribution(FIRST_TOKEN)

    def answered(self, outcome: Outcome) -> None:
        """Only what speaks for or against the version: not a client that left, nor a refusal of its request."""
        if outcome is Outcome.GOOD:
            self.good += 1
        elif outcome is Outcome.FAILED or outcome is Outcome.HUNG:
            self.failed += 1


class Versions:
    """Of one model. `release` is whose candidate it is, `percent` what that gets now. A first token is late after
    `limit` seconds; 0: nobody asks."""

    __slots__ = ("candidate", "candidate_name", "limit", "percent", "release", "stable", "stable_name")

    def __init__(self, stable_name: str) -> None:
        self.stable_name = stable_name
        self.stable = Version()
        self.candidate = Version()
        self.candidate_name = ""
        self.limit = 0.0
        self.percent = 0.0
        self.release = ""

    def count(self, served_by: str, outcome: Outcome, began: float, first_byte_at: float, ended: float) -> None:
        """One call that a model's replicas served. `began` 0: it is no stream, or was never sent; `first_byte_at` 0:
        there was none."""
        if served_by == self.stable_name:
            version = self.stable
        elif served_by == self.candidate_name:
            version = self.candidate
        else:
            return
        version.answered(outcome)
        if not began:
            return
        if first_byte_at < began:  # an earlier call's
            first_byte_at = 0.0
        if first_byte_at:
            version.first_token.observe(first_byte_at - began)
        if not self.limit:
            return
        # Who waited longer than the limit has waited too long, also where nothing ever came.
        if (first_byte_at or ended) - began > self.limit:
            version.late += 1
        elif first_byte_at:
            version.in_time += 1
