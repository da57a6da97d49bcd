"""What a judge says of releases to Prometheus, exactly; and that what it keeps of looks has a bound and loses no
decision."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from infra.steering.steps import MOST_LOOKS as MOST_LOOKS_OF_PEOPLE
from serving.gateway.telemetry.distribution import FIRST_TOKEN
from serving.release.counting import Reading, added
from serving.release.gateways import Fleet
from serving.release.history import MOST_LOOKS, Look, percentile, thinned
from serving.release.metrics import REASONS, Judged
from serving.release.state import MOST_BYTES, Counts, ReleaseState, Seen, VersionCounts, decoded, encoded
from tests.judged import BAD, at_ten_percent, judge


def said(judged: Judged) -> dict[str, float]:
    """Samples as they are written, without the prefix."""
    registry = CollectorRegistry()
    registry.register(judged)
    return {
        f"{sample.name.removeprefix('slipway_release_')}({','.join(sample.labels.values())})": sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_before_a_look_it_says_nothing() -> None:
    assert said(Judged()) == {}


def test_a_look_is_told() -> None:
    found = said(judge())
    assert found.pop("last_look_timestamp_seconds()") == 2
    expected: dict[str, float] = {
        "percent(x,next)": 10,
        "step(x)": 0,
        "hold_seconds(x)": 60,
        "first_token_limit_seconds(x)": 1,
        "last_decision_timestamp_seconds(x)": 0,
        "evaluation_passed(x)": 1,
        "evaluation_right_percent(x)": 100,
        "samples(x,stable,answers)": 1,
        "samples(x,stable,first_tokens)": 1,
        "samples(x,candidate,answers)": 1,
        "samples(x,candidate,first_tokens)": 1,
        "limit_percent(x,error_rate)": 2,
        "limit_percent(x,time_to_first_token)": 5,
        **{f"phase(x,{phase})": phase == "running" for phase in ("running", "paused", "done", "rolled_back")},
        **{f"rolled_back(x,{reason})": 0 for reason in REASONS},
    }
    for criterion, ratio in (("error_rate", -0.01), ("time_to_first_token", -0.026)):
        # Two steps and two limits share a chance of 0.05.
        bounds = {"passes_at": -2.996, "ends_at": 4.382}
        expected[f"log_likelihood_ratio(x,{criterion})"] = ratio
        expected |= {f"log_likelihood_ratio_bound(x,{criterion},{name})": at for name, at in bounds.items()}
        expected |= {f"verdict(x,{criterion},{verdict})": verdict == "open" for verdict in ("good", "bad", "open")}
    assert found == expected


@pytest.mark.parametrize(
    ("candidate", "reasons"),
    [
        (BAD, {"error_rate", "time_to_first_token"}),
        (msgspec.structs.replace(BAD, late=0), {"error_rate"}),
        (msgspec.structs.replace(BAD, failed=0), {"time_to_first_token"}),
    ],
)
def test_it_says_why_one_was_rolled_back(candidate: VersionCounts, reasons: set[str]) -> None:
    found = said(judge(at_ten_percent(candidate)))
    assert {reason for reason in REASONS if found[f"rolled_back(x,{reason})"]} == reasons
    assert found["phase(x,rolled_back)"] == 1
    assert found["percent(x,next)"] == 0


def test_what_nobody_found_a_person_did() -> None:
    by_hand = ReleaseState(release="next", phase="rolled_back", history=(look(1, "rolled back by hand"),))
    assert ReleaseState(release="next", phase="rolled_back").reasons == by_hand.reasons == ("by_hand",)
    failed = msgspec.structs.replace(look(1, "rolled back"), passed=False)
    assert msgspec.structs.replace(by_hand, history=(failed,)).reasons == ("evaluation",)
    assert msgspec.structs.replace(by_hand, phase="running").reasons == ()


def look(at: float, decision: str = "", **figures: float) -> Look:
    return Look(at=at, step=0, percent=10, said=decision, phase="rolled_back" if decision else "running", **figures)  # pyright: ignore[reportArgumentType]


def test_a_look_keeps_what_it_rests_on_and_one_without_news_is_not_kept() -> None:
    state = at_ten_percent(BAD)
    (kept,) = state.history
    assert kept.said == state.log[-1].said
    assert (kept.phase, kept.percent, kept.passed, kept.right_percent) == ("rolled_back", 0, True, 100)
    assert kept.candidate is not None
    assert (kept.candidate.answers, kept.candidate.failed, kept.candidate.late) == (100, 40, 40)
    assert [(one.name, one.verdict) for one in kept.criteria] == [("error_rate", "bad"), ("time_to_first_token", "bad")]
    assert all(one.ratio >= one.ends_at for one in kept.criteria)
    one = VersionCounts(good=1, in_time=1)
    first = at_ten_percent(one)
    again = at_ten_percent(one, now=3, state=first)
    assert len(first.history) == 1
    assert again.history == first.history
    more = at_ten_percent(VersionCounts(good=2, in_time=1), now=4, state=again)
    assert [(one.at, one.passed) for one in more.history] == [(2, True), (4, None)], "an answer is told once"


def test_history_has_a_bound_and_no_decision_is_lost() -> None:
    chance, looks = random.Random(7), tuple[Look, ...]()
    decisions = sorted(chance.sample(range(5000), 12))
    for at in range(5000):
        decision = f"decision {at}" if at in decisions else ""
        looks = thinned((*looks, look(at, decision) if at != 1234 else Look(at=at, step=0, percent=1, passed=True)))
        assert len(looks) <= MOST_LOOKS
    assert [one.at for one in looks if one.said] == decisions
    assert [one.at for one in looks if one.passed] == [1234]
    assert (looks[0].at, looks[-1].at, len(looks)) == (0, 4999, MOST_LOOKS)
    # Spread over all of the time: no half of it is dark.
    gaps = [later.at - earlier.at for earlier, later in pairwise(looks)]
    assert max(gaps) <= 5000 / MOST_LOOKS * 6
    everything = thinned(look(at, "decided") for at in range(500))
    assert [one.at for one in everything] == list(range(500 - MOST_LOOKS, 500)), "the newest, where all are decisions"


def test_all_states_together_fit_into_an_object_of_kubernetes() -> None:
    waited = (10**6,) * (len(FIRST_TOKEN) + 1)
    counts = VersionCounts(good=10**9, failed=10**9, in_time=10**9, late=10**9, waited=waited)
    state = at_ten_percent(counts, stable=counts)
    seen = Seen(started=1, counts=Counts(stable=counts, candidate=counts))
    whole = msgspec.structs.replace(
        state,
        history=thinned(msgspec.structs.replace(state.history[0], at=at, said="") for at in range(MOST_LOOKS)),
        seen={f"http://10.0.0.{n}:9090": seen for n in range(30)},
    )
    assert len(encoded({"chat": whole})) < 250_000
    # Nothing is left out as long as writing it densely is enough.
    few = {f"model-{number}": whole for number in range(7)}
    assert MOST_BYTES - 250_000 < len(encoded(few)) <= MOST_BYTES
    assert decoded(encoded(few)) == few
    many = {f"model-{number}": whole for number in range(30)}
    text = encoded(many)
    assert len(text) <= MOST_BYTES
    kept = decoded(text)
    assert all(len(one.history) in range(10, MOST_LOOKS) for one in kept.values())
    assert {one.totals for one in kept.values()} == {whole.totals}, "nothing that decides is left out"


def test_times_of_first_tokens_are_read_from_gateways_and_added() -> None:
    def answer(counts: dict[str, float]) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        name = "slipway_gateway_release_first_token_seconds_bucket"
        labels = {"model": "chat", "version": "candidate"}
        return {(name, frozenset({**labels, "le": bound}.items())): count for bound, count in counts.items()}

    seen = Fleet({"a": answer({"+Inf": 9, "0.5": 2, "10.0": 7}), "b": {}})
    one, other = seen.of("chat", "next")
    assert one.counts.candidate.waited == (2, 5, 2)
    assert one.counts.stable.waited == other.counts.candidate.waited == ()

    def total(totals: Counts, known: dict[str, Seen], counts: Counts) -> tuple[int, ...]:
        reading = Reading(address="a", started=9, release="n", percent=1, candidate_reachable=True, counts=counts)
        return added(totals, known, [reading], since=1).candidate.waited

    assert total(Counts(), {}, one.counts) == (2, 5, 2)
    more = Counts(candidate=VersionCounts(waited=(2, 6, 2)))
    assert total(one.counts, {"a": Seen(started=9, counts=one.counts)}, more) == (2, 6, 2)


def test_percentiles_are_as_exact_as_bounds() -> None:
    assert percentile((), 0.95) is None
    assert percentile((0, 0, 0), 0.95) is None
    assert percentile((0, 100, 0), 0.95, (1, 3)) == pytest.approx(1 + 2 * 0.95)
    assert percentile((50, 50, 0), 0.5, (1, 3)) == 1
    assert percentile((0, 10, 90), 0.95, (1, 3)) == 3, "beyond the last bound nobody knows more"


def test_a_person_keeps_as_many_as_the_judge() -> None:
    assert MOST_LOOKS_OF_PEOPLE == MOST_LOOKS
