"""Gateway: fuzz of what reads an engine's stream. Whatever the bytes and wherever they are cut, it is read the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.gateway.events import EventScanner
from serving.gateway.limits.usage_filter import UsageFilter
from serving.gateway.privacy.answer import AnswerTransform
from serving.gateway.privacy.restore import Restorer
from serving.gateway.refusal import Refusal
from tests.serving.mutating import cuts, examples, mutated_bytes, pieces

USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


def stream(end: str, *, asked: bool, null: str = "") -> bytes:
    """A stream with everything in it that is read: comments, names of events, several lines of data, usage."""
    text = json.dumps({"choices": [{"index": 0, "delta": {"content": 'é "usage": null, \\n\\n'}}]}, ensure_ascii=False)
    last = '{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]'
    line = end[: len(end) // 2]
    frames = [": a comment", f"event: x{line}data: {text[:-1]}{null}}}", f'data: {{"choices":{line}data: []}}']
    frames += [f"data: {last}{null}}}"]
    if asked:
        frames.append("data: " + json.dumps({"choices": [], "usage": USAGE}))
    return "".join(frame + end for frame in [*frames, "data: [DONE]"]).encode()


STREAMS = [stream(end, asked=asked) for end in ("\n\n", "\r\n\r\n") for asked in (True, False)]
_bytes = mutated_bytes(st.sampled_from(STREAMS)) | mutated_bytes(st.binary(max_size=80))


def scanned(parts: list[bytes]) -> tuple[Any, ...]:
    """Everything the relay asks of a scanner, which it feeds until the stream is broken or done."""
    scanner = EventScanner()
    for part in parts:
        if not scanner.feed(part):
            return ("broken",)
        if scanner.done:
            break
    return scanner.done, None if scanner.done else (scanner.events, scanner.usage, scanner.inside_frame)


def one_by_one(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


@examples(600)
@given(_bytes, cuts)
@example(b"data: 1\r\r\ndata: {\r\n\r", [9, 10])
@example(b"data: [DONE]\r\r", [])
def test_the_scanner_reads_any_bytes_the_same_wherever_they_are_cut(data: bytes, places: list[int]) -> None:
    # Bytes behind [DONE] are read or not by what comes with it: the relay is not interested in them any more.
    slowly = EventScanner()
    for end in range(1, len(data) + 1):
        if not slowly.feed(data[end - 1 : end]) or slowly.done:
            data = data[:end]
            break
    assert scanned([data]) == scanned(one_by_one(data)) == scanned(pieces(data, places))


@pytest.mark.parametrize("data", STREAMS)
def test_every_two_cuts_of_a_good_stream(data: bytes) -> None:
    whole = scanned([data])
    assert whole == (True, None)
    for first in range(0, len(data) + 1, 3):
        for second in range(first, len(data) + 1):
            assert scanned([data[:first], data[first:second], data[second:]]) == whole


def filtered(parts: list[bytes]) -> bytes:
    kept = UsageFilter()
    return b"".join(kept.feed(part) for part in parts) + kept.rest()


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
@pytest.mark.parametrize("null", ["", ',"usage":null', ', "usage": null'])
def test_every_two_cuts_leave_only_what_was_asked_for(end: str, null: str) -> None:
    sent, expected = stream(end, asked=True, null=null), stream(end, asked=False)
    for first in range(0, len(sent) + 1, 3):
        for second in range(first, len(sent) + 1):
            assert filtered([sent[:first], sent[first:second], sent[second:]]) == expected


@examples(600)
@given(_bytes, cuts)
@example(b'data: {"usage": 1}\n\n\n', [])
@example(b'data: {"choices": [], "usage": {}}\r\n\r\n\r\n\r\n', [36])
def test_any_bytes_are_filtered_without_a_loss(data: bytes, places: list[int]) -> None:
    """What has no usage in it goes through as it is; of the rest, no byte is lost but in events with usage."""
    out = filtered(pieces(data, places))
    if b'"usage"' not in data:
        assert out == data
    # Events end as the first one does.
    ends = sorted((place, end) for end in (b"\n\n", b"\r\n\r\n") if (place := data.find(end)) >= 0)
    for event in data.split(ends[0][1]) if ends else [data]:
        if b'"usage"' not in event:
            assert event in out
    assert len(out) <= len(data)


@pytest.mark.parametrize("end", [b"\n\n\n", b"\n\n\n\n\n", b"\r\n\r\n\r\n"])
def test_a_line_end_too_many_is_not_lost(end: bytes) -> None:
    data = b'data: {"choices": [1], "usage": {}}' + end + b"data: [DONE]" + end
    for place in range(len(data) + 1):
        assert filtered([data[:place], data[place:]]) == data


@examples(400)
@given(_bytes, cuts)
def test_the_privacy_rewriter_refuses_or_rewrites_any_bytes(data: bytes, places: list[int]) -> None:
    """Never another exception; and the same verdict and the same bytes wherever they are cut."""

    def rewritten(parts: list[bytes]) -> bytes | None:
        rewriting = AnswerTransform(
            lambda in_json: Restorer({"EMAIL_BCDFGHJK": "a@b.de"}, in_json=in_json),
            json_content=False,
            drop_logprobs=False,
            largest_whole=1 << 20,
        )
        try:
            return b"".join(rewriting.feed(part) for part in parts) + rewriting.end()
        except Refusal:
            return None

    assert rewritten([data]) == rewritten(one_by_one(data)) == rewritten(pieces(data, places))
