"""The judge's arithmetic: how often it is wrong, what it counts, and that each look gives one clear next state."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec
import pytest

from serving.release.counting import Reading, added, remembered
from serving.release.evidence import ALPHA, BETA, Hypotheses, Verdict, hypotheses, verdict
from serving.release.judging import looked
from serving.release.rules import ReleaseRules, identity
from serving.release.state import Counts, Evaluation, ReleaseState, VersionCounts, decoded, encoded

RULES = ReleaseRules(
    candidate="next",
    sends="share",
    steps=(1, 10, 100),
    hold_seconds=60,
    error_percent=2,
    first_token_seconds=0.5,
)
NAME = "next@abc"


def ends(share: float, between: Hypotheses, alpha: float, seed: int, *, on: bool = False) -> Verdict:
    """Looks after every answer, as no real judge could; with `on` also after a good verdict."""
    chance, bad, found = random.Random(seed), 0, "open"
    for count in range(1, 3001):
        bad += chance.random() < share
        now = verdict(bad, count, between, alpha)
        if now == "bad" or (now == "good" and not on):
            return now
        found = "good" if now == "good" else found
    return "good" if found == "good" else "open"


@pytest.mark.parametrize("limit", [0.02, 0.05])
def test_it_is_wrong_no_more_often_than_it_says(limit: float) -> None:
    between, runs = hypotheses(limit, 0, 0), 400
    # At the very edge, and looked at until long after: the worst there is.
    falsely_back = [ends(between.good, between, ALPHA, seed, on=True) for seed in range(runs)].count("bad")
    falsely_on = [ends(between.bad, between, ALPHA, seed) for seed in range(runs)].count("good")
    # Of 400, 20 are 5 %; with that chance 33 or more come in one of 200 tests.
    assert falsely_back <= 32
    assert falsely_on <= 32
    assert ALPHA == BETA == 0.05
    # What is clearly one or the other is told.
    assert {ends(between.good / 5, between, ALPHA, seed) for seed in range(50)} == {"good"}
    assert {ends(between.bad * 3, between, ALPHA, seed) for seed in range(50)} == {"bad"}


def test_what_both_versions_suffer_from_is_not_the_new_ones_fault() -> None:
    assert verdict(60, 1000, hypotheses(0.02, 0, 0), 0.01) == "bad"
    assert verdict(60, 1000, hypotheses(0.02, 600, 10_000), 0.01) == "good"
    assert verdict(180, 1000, hypotheses(0.02, 600, 10_000), 0.01) == "bad"
    # Few answers of the old version excuse nothing.
    assert hypotheses(0.02, 1, 20).bad == pytest.approx(0.02, rel=0.3)
    assert hypotheses(0.02, 20, 20).bad < 1


def counts(good: int = 0, failed: int = 0, in_time: int = 0, late: int = 0) -> VersionCounts:
    return VersionCounts(good=good, failed=failed, in_time=in_time, late=late)


NONE = VersionCounts()


def reading(
    candidate: VersionCounts = NONE,
    percent: float = 0,
    *,
    address: str = "a",
    started: float = 0,
    release: str = NAME,
    reachable: bool = True,
) -> Reading:
    return Reading(
        address=address,
        started=started,
        release=release,
        percent=percent,
        candidate_reachable=reachable,
        counts=Counts(candidate=candidate),
    )


def test_counters_that_begin_again_are_neither_lost_nor_counted_twice() -> None:
    def total(*looks: tuple[float, Iterable[Reading]]) -> int:
        totals, seen = Counts(), {}
        for since, readings in looks:
            given = list(readings)
            totals, seen = added(totals, seen, given, since), remembered(seen, given)
        return totals.candidate.good

    first = reading(counts(good=100), started=1)
    assert total((50, [first])) == 0, "what an older process had counted before is no news"
    assert total((50, [first]), (50, [reading(counts(good=130), started=1)])) == 30
    assert total((50, [first]), (50, [reading(counts(good=7), started=60)])) == 7, "it was started again"
    assert total((50, [first]), (50, [first, reading(counts(good=9), address="b", started=70)])) == 9, "a new one"
    assert total((50, [first]), (50, [first, reading(counts(good=9), address="b", started=2)])) == 0, "an old one"
    # One that is away for a look is no new one after it.
    assert total((50, [first]), (50, []), (50, [reading(counts(good=101), started=1)])) == 1


def test_a_release_goes_step_by_step_and_says_what_it_waits_for() -> None:
    state = looked(RULES, NAME, None, [reading(reachable=False)], 0, 0)
    assert (state.step, state.percent) == (-1, 0)
    assert "find no `next` that answers" in state.says
    state = looked(RULES, NAME, state, [reading()], 0, 1)
    assert (state.step, state.percent) == (0, 1)
    assert "do not send 1 % yet" in looked(RULES, NAME, state, [reading(percent=0)], 0, 500).says
    state = looked(RULES, NAME, state, [reading(percent=1)], 0, 500)
    assert "waits at 1 % for more answers: 0 of 0 answers failed" in state.says
    enough = counts(good=1000, in_time=1000)
    assert "another release" in looked(RULES, NAME, state, [reading(enough, 1, release="x")], 0, 900).says
    assert "1 gateways did not answer" in looked(RULES, NAME, state, [reading(enough, 1)], 1, 900).says
    assert looked(RULES, NAME, state, [], 1, 900).percent == 1, "nobody there is no reason to decide"
    early = looked(RULES, NAME, state, [reading(enough, 1)], 0, 30)
    assert early.step == 0
    assert "holds 1 % for" in early.says
    paused = looked(RULES, NAME, msgspec.structs.replace(state, phase="paused"), [reading(enough, 1)], 0, 900)
    assert (paused.step, paused.says) == (0, "paused at 1 %")
    state = looked(RULES, NAME, state, [reading(enough, 1)], 0, 900)
    assert (state.step, state.percent, state.totals.candidate.answers) == (1, 10, 0)
    state = looked(RULES, NAME, state, [reading(counts(good=2000, in_time=2000), 10)], 0, 2000)
    assert state.percent == 100
    state = looked(RULES, NAME, state, [reading(counts(good=3000, in_time=3000), 100)], 0, 3000)
    assert (state.phase, state.percent) == ("done", 100)
    assert [entry.said.partition(":")[0] for entry in state.log] == ["begins with 0 %", "1 %", "10 %", "100 %", "done"]
    assert looked(RULES, NAME, state, [reading(counts(failed=900), 100)], 0, 4000) == state, "it is over"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (counts(good=60, failed=40, in_time=100), "40 of 100 answers failed (limit 2 %"),
        (counts(good=100, in_time=60, late=40), "40 of 100 first tokens came after 0.5 s (limit 5 %"),
    ],
)
@pytest.mark.parametrize("silent", [0, 3])
def test_a_breach_rolls_back_whatever_else_is_waited_for(seen: VersionCounts, said: str, silent: int) -> None:
    state = ReleaseState(release=NAME, step=1, percent=10, since=100, phase="paused")
    state = looked(RULES, NAME, state, [reading()], 0, 101)
    state = looked(RULES, NAME, state, [reading(seen, 1)], silent, 102)
    assert (state.phase, state.percent) == ("rolled_back", 0)
    assert said in state.says
    assert looked(RULES, NAME, state, [reading(counts(good=10**6, in_time=10**6))], 0, 10**6) == state


def test_other_weights_are_another_release_and_copies_end_with_the_verdict() -> None:
    done = ReleaseState(release=NAME, phase="done", step=2, percent=100)
    again = looked(RULES, "next@other", done, [], 1, 5)
    assert (again.release, again.step, again.percent) == ("next@other", -1, 0)
    assert identity("next", "a" * 64) != identity("next", "b" * 64)
    copies = msgspec.structs.replace(RULES, sends="copies", steps=(50,), hold_seconds=0)
    state = looked(copies, NAME, ReleaseState(release=NAME, step=0, percent=50), [reading(percent=50)], 0, 1)
    state = looked(copies, NAME, state, [reading(counts(good=900, in_time=900), 50)], 0, 2)
    assert (state.phase, state.percent) == ("done", 0)


def test_the_state_survives_writing_and_stays_small() -> None:
    state = ReleaseState(release=NAME)
    for number in range(500):
        state = state.noted(number, f"decision {number}")
    readings = [reading(counts(good=10**9), address=f"http://10.0.{n // 256}.{n % 256}:9090") for n in range(1500)]
    state = msgspec.structs.replace(state, seen=remembered({}, readings))
    text = encoded({"chat": state})
    assert decoded(text) == {"chat": state}
    # An object of Kubernetes has 1 MiB at most.
    assert len(text) < 900_000
    assert decoded("") == {}
    assert [entry.said for entry in state.log] == [f"decision {number}" for number in range(460, 500)]


def test_before_a_step_questions_are_due_and_answers_to_earlier_ones_are_no_news() -> None:
    rules = msgspec.structs.replace(RULES, evaluation="next/facts")
    state = looked(rules, NAME, None, [reading()], 0, 5)
    due = state.due_evaluation
    assert due == Evaluation(before_step=0, due=5)
    assert (state.step, state.says) == (-1, "asks `next` the questions of `next/facts` before 1 %")
    assert looked(rules, NAME, state, [reading()], 0, 6, "waits: no key").says == "waits: no key before 1 %"
    early = Evaluation(before_step=0, due=4, at=6, right_percent=0, passed=False, said="wrong")
    assert looked(rules, NAME, state, [reading()], 0, 7, early).phase == "running"
    bad = msgspec.structs.replace(early, due=5)
    assert looked(rules, NAME, state, [reading()], 3, 7, bad).says == "rolled back: wrong"
    good = msgspec.structs.replace(bad, passed=True, said="right")
    state = looked(rules, NAME, state, [reading()], 0, 7, good)
    assert (state.step, state.evaluation, state.due_evaluation) == (0, good, None)
    assert decoded(encoded({"chat": state})) == {"chat": state}
