"""Gateway: parts that are easier to pin down without a process. The request rate and the event scanner."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.events import EventScanner
from serving.gateway.usage import usage_of

STREAM = (
    b': comment\n\ndata: {"choices": [{"delta": {"content": "\xc3\xa9"}}]}\r\n\r\nevent: x\ndata: {"a":\ndata: 1}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\ndata: [DONE]\n\n'
)


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
