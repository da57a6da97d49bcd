"""Alerts about releases: one that was rolled back, one that gets nowhere, and a judge that does not look."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.alert import Alert

# A step that takes so many times its own hold, and an hour more, waits for something that does not come: with little
# traffic it is answers, which nobody but a person can say what to do about.
STUCK_TIMES, STUCK_SECONDS = 3, 3600
# It looks every 10 s, and waits 5 s for each gateway that does not answer.
STALE_SECONDS = 600


def release_alerts(namespace: str) -> Iterator[Alert]:
    """Of a site where a model is released. They are the judge's own metrics, in whose absence it does not look."""
    here = f'namespace="{namespace}"'
    yield Alert(
        name="SlipwayReleaseRolledBack",
        expression=f"max by (model, reason) (slipway_release_rolled_back{{{here}}}) > 0",
        for_minutes=0,
        severity="ticket",
        summary="The new version of {{ $labels.model }} was rolled back ({{ $labels.reason }})",
        runbook="release-rolled-back",
    )
    decided = f"max by (model) (slipway_release_last_decision_timestamp_seconds{{{here}}})"
    hold = f"max by (model) (slipway_release_hold_seconds{{{here}}})"
    yield Alert(
        name="SlipwayReleaseStuck",
        expression=f"time() - {decided} > {STUCK_TIMES} * {hold} + {STUCK_SECONDS} "
        f'and max by (model) (slipway_release_phase{{{here},phase="running"}}) == 1',
        for_minutes=5,
        severity="ticket",
        summary="The release of {{ $labels.model }} has been at one step for {{ $value | humanizeDuration }}",
        runbook="release-stuck",
    )
    looked = f"slipway_release_last_look_timestamp_seconds{{{here}}}"
    yield Alert(
        name="SlipwayReleaseNotJudged",
        expression=f"time() - max({looked}) > {STALE_SECONDS} or absent({looked})",
        for_minutes=10,
        severity="ticket",
        summary="Nobody looks at releases: they stay as they are, and a bad version is not rolled back",
        runbook="release-not-judged",
    )
