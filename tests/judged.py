"""A judge of releases that has looked once, without a gateway."""

from __future__ import annotations

from types import SimpleNamespace

from serving.release.counting import Reading
from serving.release.judging import looked
from serving.release.metrics import Judged
from serving.release.rules import ReleaseRules
from serving.release.state import Counts, Evaluation, ReleaseState, VersionCounts

RULES = ReleaseRules(
    candidate="next", sends="share", steps=(10, 100), hold_seconds=60, error_percent=2, first_token_seconds=1
)
NONE = VersionCounts()
# Too bad in both ways.
BAD = VersionCounts(good=60, failed=40, in_time=60, late=40)


def at_ten_percent(
    candidate: VersionCounts, now: float = 2, stable: VersionCounts = NONE, state: ReleaseState | None = None
) -> ReleaseState:
    """What a look makes of these counts; the first one, if no state is given. The candidate was asked before, and all
    of its answers were right."""
    asked = Evaluation(before_step=0, due=0, at=1, right_percent=100, passed=True)
    state = state or ReleaseState(release="next", step=0, percent=10, evaluation=asked)
    counts = Counts(stable=stable, candidate=candidate)
    reading = Reading(address="a", started=1, release="next", percent=10, candidate_reachable=True, counts=counts)
    return looked(RULES, "next", state, [reading], 0, now)


def judge(state: ReleaseState | None = None) -> Judged:
    """With one answer and one first token of each version, if nothing else is said."""
    one, found = VersionCounts(good=1, in_time=1), Judged()
    states = {"x": state or at_ten_percent(one, stable=one)}
    found.adopt({"x": SimpleNamespace(rules=RULES)}, states, 2)
    return found
