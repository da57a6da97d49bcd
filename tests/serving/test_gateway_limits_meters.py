"""Quotas: the meters by themselves. Never more than the limit, settling is exact, clocks may jump."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.limits import meter as meter_module
from serving.gateway.limits.estimate import ModelMeasure
from serving.gateway.limits.meter import Meter
from serving.gateway.limits.refusals import retry_after
from serving.gateway.limits.usage_filter import UsageFilter
from serving.gateway.limits.windows import Window

# One step: seconds that pass, how much is asked for, what part of it is used, and how many others begin before it ends.
STEPS = st.lists(
    st.tuples(st.floats(0, 20), st.integers(1, 120), st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=60
)


def test_requests_have_a_burst_and_then_an_even_pace() -> None:
    meter = Meter("requests", "c", None, 60)
    for _ in range(10):
        assert meter.take_local(1, 100.0)
        meter.settle_local(1, 1, 100.0)
    assert not meter.take_local(1, 100.0)
    wait = meter.wait(1, 100.0, leasing=False)
    assert wait == pytest.approx(1.0)
    assert not meter.take_local(1, 100.0 + wait - 0.001)
    assert meter.take_local(1, 100.0 + wait)
    assert (retry_after(0.2), retry_after(1.0), retry_after(1.2)) == (b"1", b"1", b"2")


@given(st.sampled_from(["requests", "tokens_per_minute", "tokens_per_day", "budget"]), STEPS)
def test_no_window_of_time_holds_more_than_the_limit(kind: meter_module.Kind, steps: list) -> None:
    meter = Meter(kind, "c", None, 300)
    now = 1000.0
    running: list[tuple[int, int, int]] = []
    settled: list[tuple[float, int]] = []
    for number, (pause, amount, part, life) in enumerate(steps):
        now += pause
        for item in [item for item in running if item[2] <= number]:
            running.remove(item)
            meter.settle_local(item[0], item[1], now)
            settled.append((now, item[1]))
        if meter.take_local(amount, now):
            running.append((amount, int(amount * part), number + life + 1))
        assert meter.held == sum(item[0] for item in running)
        left, _ = meter.remaining(now, leasing=False)
        assert 0 <= left <= meter.capacity - meter.held
    for first, (start, _) in enumerate(settled):
        used = 0
        for at, amount in settled[first:]:
            used += amount
            assert used <= meter.capacity + (at - start) * meter.rate + 1e-3


@given(STEPS)
def test_what_was_not_used_leaves_no_trace(steps: list) -> None:
    """Reserving much and settling little at once is the same as reserving little."""
    generous, exact = Meter("tokens_per_minute", "c", None, 300), Meter("tokens_per_minute", "c", None, 300)
    now = 1000.0
    for pause, amount, part, _ in steps:
        now += pause
        used = int(amount * part)
        if generous.take_local(amount, now):
            generous.settle_local(amount, used, now)
            assert exact.take_local(used, now)
            exact.settle_local(used, used, now)
        assert generous.remaining(now, leasing=False) == exact.remaining(now, leasing=False)


def test_time_gives_back_only_once() -> None:
    """What a long request holds does not leak meanwhile, or its refund would come on top of what time gave."""
    meter = Meter("tokens_per_minute", "c", None, 100)
    assert meter.take_local(100, 0.0)
    assert not meter.take_local(1, 600.0)
    meter.settle_local(100, 10, 600.0)
    assert meter.take_local(90, 600.0)
    assert not meter.take_local(1, 600.0)


def test_using_more_than_reserved_is_a_debt() -> None:
    meter = Meter("tokens_per_minute", "c", None, 60)
    assert meter.take_local(10, 0.0)
    meter.settle_local(10, 100, 0.0)
    assert meter.wait(1, 0.0, leasing=False) == pytest.approx(41)
    assert not meter.take_local(1, 40.9)
    assert meter.take_local(1, 41.0)


def test_a_changed_limit_counts_and_what_is_spent_stays() -> None:
    meter = Meter("tokens_per_day", "c", None, 100)
    assert meter.take_local(60, 0.0)
    meter.settle_local(60, 60, 0.0)
    meter.adopt(50, 1)
    assert not meter.take_local(1, 0.0)
    meter.adopt(200, 1)
    assert meter.take_local(140, 0.0)
    assert not meter.take_local(1, 0.0)


def _wall(monkeypatch: pytest.MonkeyPatch, at: float) -> None:
    monkeypatch.setattr(meter_module.time, "time", lambda: at)


@given(st.lists(st.tuples(st.floats(0, 7200), st.sampled_from([-300, 0, 300])), min_size=1, max_size=80))
@settings(max_examples=200)
def test_days_are_not_given_twice_by_a_jumping_clock(steps: list) -> None:
    with pytest.MonkeyPatch.context() as patch:
        true = datetime(2026, 11, 23, 20, tzinfo=UTC).timestamp()
        first = int(true // 86400)
        _wall(patch, true)
        meter = Meter("tokens_per_day", "c", None, 100)
        used = 0
        for pause, jump in steps:
            true += pause
            _wall(patch, true + jump)
            if meter.take_local(30, true):
                meter.settle_local(30, 30, true)
                used += 30
            # A clock that is ahead begins a day early, but no day twice.
            assert used <= 100 * (1 + int((true + 300) // 86400) - first)


def test_windows_end_at_midnight_utc_and_correct_a_clock_that_was_far_off() -> None:
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
    day, month = Window("day", noon), Window("month", noon)
    assert (day.label, month.label) == ("2026-11-30", "2026-11")
    assert day.ends_at == month.ends_at == noon + 12 * 3600
    assert day.move(noon + 12 * 3600)
    assert month.move(noon + 12 * 3600)
    assert (day.label, month.label) == ("2026-12-01", "2026-12")
    assert not day.move(noon + 12 * 3600 - 300)
    assert day.label == "2026-12-01"
    assert not day.move(noon)  # hours back: the clock was wrong, but nothing is forgotten
    assert day.label == "2026-11-30"
    year = Window("month", datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp())
    assert year.move(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
    assert year.label == "2027-01"


def test_estimates_learn_and_media_are_not_counted_by_their_bytes() -> None:
    measure = ModelMeasure()
    body = b"x" * 3000
    assert measure.prompt_tokens(body, [])[0] == pytest.approx(1000, rel=0.02)
    for _ in range(200):
        measure.learn_prompt(3000, 700)
    assert 700 <= measure.prompt_tokens(body, [])[0] <= 770
    picture = {"type": "image_url", "image_url": {"url": "data:" + "A" * 500_000}}
    text = {"type": "text", "text": "what is this?"}
    messages = [{"role": "user", "content": [text, picture]}]
    tokens, learnable = measure.prompt_tokens(json.dumps(messages).encode(), messages)
    assert 1600 <= tokens < 2000
    assert learnable == 0
    for _ in range(200):
        measure.learn_output(90, 30, 3.0)
    assert measure.output_of_events(10) == pytest.approx(30, abs=1)
    assert measure.output_of_seconds(1.0, 1000) == pytest.approx(31, abs=1)
    assert measure.output_of_seconds(100.0, 50) == 50
    assert ModelMeasure().output_of_seconds(1.0, 1000) == 1000


def _stream(end: bytes, extra: bool, null: bytes) -> bytes:
    """What an engine sends, with and without being asked for usage; a text that quotes the field must survive."""
    quoted = json.dumps({"choices": [{"delta": {"content": 'say ,"usage":null and "usage": {}'}}]})
    field = null if extra else b""
    events = [
        b'event: x\ndata: {"id": 1, "choices": [{"delta": {"content": "a"}}]' + field + b"}",
        b": keep-alive",
        b"data: " + quoted.encode()[:-1] + field + b"}",
        b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]' + field + b"}",
    ]
    if extra:
        events.append(b'data: {"id": 1, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}')
    events.append(b"data: [DONE]")
    return b"".join(event + end for event in events)


@given(
    st.sampled_from([b"\n\n", b"\r\n\r\n"]),
    st.sampled_from([b"", b',"usage":null', b', "usage": null']),
    st.lists(st.integers(0, 500), max_size=20),
)
def test_the_extra_event_goes_and_nothing_else_whatever_the_split(end: bytes, null: bytes, cuts: list[int]) -> None:
    sent, expected = _stream(end, True, null), _stream(end, False, null)
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    kept = UsageFilter()
    got = b"".join(kept.feed(sent[start:stop]) for start, stop in itertools.pairwise(edges)) + kept.rest()
    assert got == expected


def test_usage_inside_the_last_choice_stays() -> None:
    event = b'data: {"choices": [{"delta": {}}], "usage": {"prompt_tokens": 1}}\n\n'
    assert UsageFilter().feed(event) == event
