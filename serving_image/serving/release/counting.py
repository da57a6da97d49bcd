"""What was counted since a step began, over gateways that come, go and are started again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from serving.release.state import Counts, Seen, VersionCounts


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one gateway says: which release it follows and how far, and what it counted since it `started`."""

    address: str
    started: float
    release: str
    percent: float
    candidate_reachable: bool
    counts: Counts


def added(totals: Counts, seen: dict[str, Seen], readings: Iterable[Reading], since: float) -> Counts:
    """With what is new. A process that was not seen before counts from its start if that was after `since`; what an
    older one had counted is nobody's news."""
    for reading in readings:
        known = seen.get(reading.address)
        if known is not None and known.started == reading.started:
            before = known.counts
        elif reading.started >= since or known is not None:
            before = Counts()
        else:
            before = reading.counts
        totals = Counts(
            stable=_plus(totals.stable, reading.counts.stable, before.stable),
            candidate=_plus(totals.candidate, reading.counts.candidate, before.candidate),
        )
    return totals


def remembered(seen: dict[str, Seen], readings: Iterable[Reading], most: int = 1000) -> dict[str, Seen]:
    """What to compare the next readings with. Who did not answer now may the next time; the oldest are forgotten."""
    now = {reading.address: Seen(started=reading.started, counts=reading.counts) for reading in readings}
    both = {**{address: known for address, known in seen.items() if address not in now}, **now}
    return dict(list(both.items())[-most:])


def _plus(total: VersionCounts, now: VersionCounts, before: VersionCounts) -> VersionCounts:
    return VersionCounts(
        good=total.good + max(0, now.good - before.good),
        failed=total.failed + max(0, now.failed - before.failed),
        in_time=total.in_time + max(0, now.in_time - before.in_time),
        late=total.late + max(0, now.late - before.late),
        waited=tuple(
            of_all + max(0, mine - known)
            for of_all, mine, known in zip_longest(total.waited, now.waited, before.waited, fillvalue=0)
        ),
    )
