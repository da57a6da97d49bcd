"""Gateway: parts that are easier to pin down without a process. The request rate and the event scanner."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.events import EventScanner, usage_of
from serving.gateway.request_rate import RequestRate, retry_after

STREAM = (
    b': comment\n\ndata: {"choices": [{"delta": {"content": "\xc3\xa9"}}]}\r\n\r\nevent: x\ndata: {"a":\ndata: 1}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\ndata: [DONE]\n\n'
)


def test_rate_allows_a_burst_then_the_even_pace() -> None:
    rate = RequestRate(60)
    assert [rate.take(100.0) for _ in range(10)] == [0.0] * 10
    wait = rate.take(100.0)
    assert wait == pytest.approx(1.0)
    assert rate.take(100.0 + wait) == 0.0
    assert rate.take(100.0 + wait) > 0
    assert retry_after(0.2) == b"1"
    assert retry_after(1.2) == b"2"


@given(st.integers(1, 10_000), st.lists(st.floats(0, 3), min_size=1, max_size=200))
@settings(deadline=None)
def test_rate_never_allows_more_than_burst_plus_pace(per_minute: int, pauses: list[float]) -> None:
    rate = RequestRate(per_minute)
    now, taken, first = 1000.0, 0, 1000.0 + pauses[0]
    for pause in pauses:
        now += pause
        wait = rate.take(now)
        if wait:
            assert rate.take(now + wait - 1e-6) > 0 or wait < 2e-6
        else:
            taken += 1
    assert taken <= rate.burst + (now - first) * per_minute / 60 + 1


def test_rate_survives_a_reload() -> None:
    old, new = RequestRate(6), RequestRate(12)
    assert old.take() == 0.0
    new.inherit(old)
    new.take()
    assert new.take() > 0


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
@settings(deadline=None)
def test_scanner_reads_any_split_the_same_way(cuts: list[int]) -> None:
    scanner = EventScanner()
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in itertools.pairwise(edges):
        assert not scanner.done or start == end
        assert scanner.feed(STREAM[start:end])
    assert scanner.done
    assert not scanner.inside_frame
    assert scanner.usage is not None
    assert (scanner.usage.prompt_tokens, scanner.usage.completion_tokens) == (3, 2)


@pytest.mark.parametrize("bad", [b"data: {\n\n", b"data: {]\n\n", b"data: nope\r\n\r\n", b'data: {"a": 1} x\n\n'])
def test_scanner_finds_broken_frames(bad: bytes) -> None:
    scanner = EventScanner()
    assert scanner.feed(b'data: {"a": 1}\n\n')
    assert not scanner.feed(bad)
    assert not scanner.done


def test_scanner_bounds_an_endless_event() -> None:
    scanner = EventScanner()
    assert not all(scanner.feed(b"x" * 1_000_000) for _ in range(6))


@given(st.binary(max_size=200))
def test_usage_never_raises(body: bytes) -> None:
    usage_of(body)
    assert usage_of(b'{"usage": {"prompt_tokens": "many"}}') is None
    assert usage_of(b'{"usage": null}') is None
