"""One look at a release: what its state is next. Pure: the same readings at the same time give the same state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from serving.release.counting import Reading, added, remembered
from serving.release.evidence import ALPHA, LATE_SHARE, Hypotheses, Verdict, hypotheses, weighed
from serving.release.history import Criterion, CriterionName, Look, thinned
from serving.release.rules import ReleaseRules
from serving.release.state import Counts, Evaluation, ReleaseState


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Of one limit: the verdict, and what it rests on in words."""

    criterion: Criterion
    said: str

    @property
    def verdict(self) -> Verdict:
        return self.criterion.verdict


def looked(
    rules: ReleaseRules,
    release: str,
    state: ReleaseState | None,
    readings: Sequence[Reading],
    silent: int,
    now: float,
    answered: Evaluation | str | None = None,
) -> ReleaseState:
    """The next state. `release` is whose rules these are, `silent` are gateways that did not answer, `answered` is what
    is known of the answers to an evaluation that was due, or in words why nobody knows yet."""
    if state is None or state.release != release:
        state = ReleaseState(release=release, since=now).noted(now, "begins with 0 %")
        state = _remembering(state, Look(at=now, step=-1, percent=0, said=state.says))
    if state.phase in ("done", "rolled_back"):
        return state
    due = state.due_evaluation
    if due is not None and isinstance(answered, Evaluation) and _asked(answered) == _asked(due):
        state = replace(state, evaluation=answered)
    if not readings:
        return replace(state, says="waits: no gateway answered")
    others = sum(reading.release != release for reading in readings)
    if others:
        # A deployment is under way, or this judge has an older file: whoever is right, it is not the time to decide.
        return replace(state, says=f"waits: {others} of {len(readings)} gateways follow another release")
    counted = replace(
        state,
        totals=added(state.totals, state.seen, readings, state.since),
        seen=remembered(state.seen, readings),
    )
    # Before the first step there is nothing to judge.
    found = list(findings(rules, counted.totals)) if state.step >= 0 else []
    waits = answered if isinstance(answered, str) else None
    after = _decided(rules, counted, readings, found, silent, now, waits)
    return _looked_back(state, counted.totals, found, after, now)


def _decided(
    rules: ReleaseRules,
    state: ReleaseState,
    readings: Sequence[Reading],
    found: Sequence[Finding],
    silent: int,
    now: float,
    waits: str | None,
) -> ReleaseState:
    """Back, or forward if nothing is in the way of it."""
    bad = [finding.said for finding in found if finding.verdict == "bad"]
    known = state.evaluation
    if known is not None and known.passed is False and known.before_step == state.step + 1:
        bad.append(known.said)
    if bad:
        return replace(state, phase="rolled_back", percent=0.0).noted(now, f"rolled back: {'; '.join(bad)}")
    return _forward(rules, state, readings, found, silent, now, waits)


def _forward(
    rules: ReleaseRules,
    state: ReleaseState,
    readings: Sequence[Reading],
    found: Sequence[Finding],
    silent: int,
    now: float,
    waits: str | None,
) -> ReleaseState:
    """To the next step, or what is in the way of it."""
    behind = sum(reading.percent != state.percent for reading in readings)
    if behind:
        says = f"waits: {behind} of {len(readings)} gateways do not send {state.percent:g} % yet"
        return replace(state, since=now, says=says)
    if state.phase == "paused":
        return replace(state, says=f"paused at {state.percent:g} %")
    if silent:
        return replace(state, says=f"waits: {silent} gateways did not answer")
    if state.step < 0:
        unreachable = sum(not reading.candidate_reachable for reading in readings)
        if unreachable:
            says = f"waits: {unreachable} of {len(readings)} gateways find no `{rules.candidate}` that answers"
            return replace(state, says=says)
        return _asked_first(rules, state, 0, now, f"{rules.steps[0]:g} %: `{rules.candidate}` answers", waits)
    unclear = [finding.said for finding in found if finding.verdict != "good"]
    if unclear:
        return replace(state, says=f"waits at {state.percent:g} % for more answers: {'; '.join(unclear)}")
    left = rules.hold_seconds - (now - state.since)
    if left > 0:
        return replace(state, says=f"good so far; holds {state.percent:g} % for {left:.0f} s more")
    because = "; ".join(finding.said for finding in found)
    if state.step + 1 < len(rules.steps):
        following = rules.steps[state.step + 1]
        return _asked_first(rules, state, state.step + 1, now, f"{following:g} %: {because}", waits)
    last = state.percent if rules.sends == "share" else 0.0
    return replace(state, phase="done", percent=last).noted(now, f"done: {because}")


def _asked_first(
    rules: ReleaseRules, state: ReleaseState, step: int, now: float, said: str, waits: str | None
) -> ReleaseState:
    """To a step, once the candidate has answered what the rules have it asked: who judges asks what is due."""
    if rules.evaluation is None:
        return at_step(rules, state, step, now, said)
    known = state.evaluation
    if known is None or known.before_step != step:
        known, waits = Evaluation(before_step=step, due=now), None
        state = replace(state, evaluation=known)
    if known.passed is None:
        asks = waits or f"asks `{rules.candidate}` the questions of `{rules.evaluation}`"
        return replace(state, says=f"{asks} before {rules.steps[step]:g} %")
    return at_step(rules, state, step, now, f"{said}; {known.said}")


def _looked_back(
    before: ReleaseState, totals: Counts, found: Sequence[Finding], after: ReleaseState, now: float
) -> ReleaseState:
    """With what this look found, where it is more than the last one did: whoever is idle writes nothing."""
    decision = after.log[-1].said if after.log[-1:] != before.log[-1:] else ""
    known, last = after.evaluation, after.history[-1].at if after.history else before.since
    news = known if known is not None and known.at is not None and known.at > last else None
    if not decision and news is None and totals == before.totals:
        return after
    return _remembering(
        after,
        Look(
            at=now,
            step=after.step,
            percent=after.percent,
            phase=after.phase,
            said=decision,
            stable=totals.stable.figures,
            candidate=totals.candidate.figures,
            criteria=tuple(finding.criterion for finding in found),
            right_percent=None if news is None else news.right_percent,
            passed=None if news is None else news.passed,
        ),
    )


def _remembering(state: ReleaseState, look: Look) -> ReleaseState:
    return replace(state, history=thinned((*state.history, look)))


def _asked(due: Evaluation) -> tuple[int, float]:
    """Which time it is: answers to an earlier one are no news."""
    return due.before_step, due.due


def at_step(rules: ReleaseRules, state: ReleaseState, step: int, now: float, said: str) -> ReleaseState:
    """At the beginning of a step. Of the stable version everything counts, as none of it is left at 100 %."""
    totals = Counts(stable=state.totals.stable)
    return replace(state, step=step, percent=rules.steps[step], since=now, totals=totals).noted(now, said)


def findings(rules: ReleaseRules, totals: Counts) -> Iterator[Finding]:
    """For each limit. The chance to be wrong is shared by all steps and limits."""
    stable, candidate = totals.stable, totals.candidate
    alpha = ALPHA / (len(rules.steps) * (1 if rules.first_token_seconds is None else 2))
    between = hypotheses(rules.error_percent / 100, stable.failed, stable.answers)
    yield Finding(
        criterion=_criterion("error_rate", candidate.failed, candidate.answers, between, alpha),
        said=f"{candidate.failed} of {candidate.answers} answers failed (limit {between.bad * 100:.3g} %; stable: "
        f"{stable.failed} of {stable.answers})",
    )
    if rules.first_token_seconds is None:
        return
    between = hypotheses(LATE_SHARE, stable.late, stable.first_tokens)
    yield Finding(
        criterion=_criterion("time_to_first_token", candidate.late, candidate.first_tokens, between, alpha),
        said=f"{candidate.late} of {candidate.first_tokens} first tokens came after {rules.first_token_seconds:g} s "
        f"(limit {between.bad * 100:.3g} %; stable: {stable.late} of {stable.first_tokens})",
    )


def _criterion(name: CriterionName, bad: int, count: int, between: Hypotheses, alpha: float) -> Criterion:
    weight = weighed(bad, count, between, alpha)
    return Criterion(
        name=name,
        ratio=round(weight.ratio, 3),
        passes_at=round(weight.passes_at, 3),
        ends_at=round(weight.ends_at, 3),
        limit_percent=round(between.bad * 100, 3),
        verdict=weight.verdict,
    )
