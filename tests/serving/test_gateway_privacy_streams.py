"""Gateway privacy: answers rewritten on their way back. Whatever the split of the bytes, the text is the same."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.privacy.answer import AnswerTransform
from serving.gateway.privacy.config import ClientPrivacyConfig, PrivacyConfig
from serving.gateway.privacy.load import load_privacy
from serving.gateway.privacy.output_scan import OutputScan
from serving.gateway.privacy.placeholders import ALPHABET, Vault
from serving.gateway.privacy.restore import LONGEST, Restorer
from serving.gateway.privacy.scanner import Lens
from serving.gateway.refusal import Refusal


class _Client:
    privacy = ClientPrivacyConfig(mode="tokenise")


_problems: list[str] = []
SETUP = load_privacy("", PrivacyConfig(), {"c": _Client()}, _problems)
assert SETUP is not None, _problems
LENS = Lens(SETUP.scanner, dict.fromkeys(SETUP.kinds, "tokenise"))

VALUES = [
    ("email", "jane.doe@example.com"),
    ("card", "4111 1111 1111 1111"),
    ("phone", "+49 30 1234567"),
    ("secret", '-----BEGIN PRIVATE KEY-----\nMII"E\\\n-----END PRIVATE KEY-----'),  # not-a-secret
    ("staff", "Jürgen 🙂 Ω"),
    ("us_ssn", "<EMAIL_"),
]


def make_vault() -> tuple[Vault, list[tuple[str, str]]]:
    vault = Vault(b"k" * 32)
    return vault, [(vault.placeholder(kind, value), value) for kind, value in VALUES]


def transform(value_of: dict[str, str], **options: Any) -> AnswerTransform:
    return AnswerTransform(
        lambda in_json: Restorer(value_of, in_json=in_json),
        **{"json_content": False, "drop_logprobs": False, "largest_whole": 1 << 20, **options},
    )


def cut(data: Any, places: list[int]) -> list[Any]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)] or [data]


# Pieces that look like placeholders, begin like one, or are one: text of a model that does its worst.
_VAULT, _PAIRS = make_vault()
_FORMS = [form for placeholder, _ in _PAIRS for form in (placeholder, placeholder[1:-1])]
_NEAR = (
    [form[:-1] for form in _FORMS] + [form[:5] for form in _FORMS] + ["EMAIL_BCDFGHJK", "<", ">", "_", "<<", "E", "\\"]
)
model_text = st.lists(st.one_of(st.sampled_from(_FORMS + _NEAR), st.text(max_size=6)), max_size=8).map("".join)
cuts = st.lists(st.integers(0, 4000), max_size=14)


def restored_at_once(text: str) -> str:
    return Restorer(_VAULT.value_of).feed(text, final=True)


@settings(max_examples=400, deadline=None)
@given(model_text, cuts, st.booleans())
def test_any_split_of_a_text_restores_the_same(text: str, places: list[int], in_json: bool) -> None:
    whole = Restorer(_VAULT.value_of, in_json=in_json).feed(text, final=True)
    pieces = Restorer(_VAULT.value_of, in_json=in_json)
    out = ""
    fed = 0
    for piece in cut(text, places):
        out += pieces.feed(piece)
        fed += len(piece)
        assert len(pieces._held) < LONGEST <= 64
    assert out + pieces.feed("", final=True) == whole


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from([value for _, value in VALUES]), st.sampled_from(_FORMS), st.text())))
def test_tokenise_then_restore_is_the_same_text(parts: list[str]) -> None:
    text = " ; ".join(parts).encode(errors="replace").decode()
    vault = Vault(b"another-key")
    found = LENS.findings(text, LENS.suspects(text), time.perf_counter() + 9)
    out, done = "", 0
    for start, end, kind in found:
        out += text[done:start] + vault.placeholder(kind, text[start:end])
        done = end
    out += text[done:]
    for value in ("jane.doe@example.com", "4111 1111 1111 1111"):
        assert value not in out
    assert Restorer(vault.value_of).feed(out, final=True) == text


def sse(deltas: list[dict[str, Any]], end: str = "\n\n", *, ascii_only: bool = False) -> bytes:
    out = [": comment" + end]
    for delta in deltas:
        out.append("data: " + json.dumps(delta, ensure_ascii=ascii_only) + end)
    out.append("data: [DONE]" + end)
    return "".join(out).encode()


def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
    }


def collect(stream: bytes) -> dict[tuple[Any, ...], str]:
    """Every text of a stream by its place, as a client puts it together."""
    texts: dict[tuple[Any, ...], str] = {}
    finished: set[int] = set()

    def add(place: tuple[Any, ...], piece: str | None) -> None:
        assert place[0] not in finished, "text after finish_reason"
        if piece:
            texts[place] = texts.get(place, "") + piece

    for frame in stream.decode().replace("\r\n", "\n").split("\n\n"):
        if not frame.startswith("data: ") or frame == "data: [DONE]":
            continue
        for choice in json.loads(frame[6:])["choices"]:
            index = choice["index"]
            delta = choice.get("delta", {})
            add((index, "content"), delta.get("content"))
            add((index, "reasoning"), delta.get("reasoning_content"))
            add((index, "text"), choice.get("text"))
            for call in delta.get("tool_calls", ()):
                add((index, "arguments", call["index"]), call["function"].get("arguments"))
            if choice.get("finish_reason"):
                finished.add(index)
    return texts


_piece_texts = st.lists(model_text, min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(_piece_texts, _piece_texts, _piece_texts, _piece_texts),
    cuts,
    st.sampled_from(["\n\n", "\r\n\r\n"]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_split_of_the_bytes_restores_the_same(
    parts: tuple[list[str], ...], places: list[int], end: str, ascii_only: bool, random: Any
) -> None:
    """Two choices, reasoning and two tool calls, interleaved; bytes cut inside characters, escapes and placeholders."""
    first, second, reasoning, arguments = parts
    arguments = [json.dumps("".join(arguments))]
    if len(arguments[0]) > 4:
        middle = random.randrange(len(arguments[0]))
        arguments = [arguments[0][:middle], arguments[0][middle:]]
    queues: list[list[dict[str, Any]]] = [
        [chunk(0, {"content": piece}) for piece in first],
        [chunk(1, {"content": piece}) for piece in second],
        [chunk(0, {"reasoning_content": piece}) for piece in reasoning],
        [chunk(1, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in arguments],
        [chunk(1, {"tool_calls": [{"index": 1, "function": {"arguments": piece}}]}) for piece in arguments],
    ]
    deltas: list[dict[str, Any]] = []
    while any(queues):
        deltas.append(random.choice([queue for queue in queues if queue]).pop(0))
    deltas += [chunk(0, {}, "stop"), chunk(1, {"content": ""}, "tool_calls")]
    stream = sse(deltas, end, ascii_only=ascii_only)
    rewriting = transform(_VAULT.value_of)
    out = b"".join(rewriting.feed(piece) for piece in cut(stream, places)) + rewriting.end()
    texts = collect(out)
    assert texts.get((0, "content"), "") == restored_at_once("".join(first))
    assert texts.get((1, "content"), "") == restored_at_once("".join(second))
    assert texts.get((0, "reasoning"), "") == restored_at_once("".join(reasoning))
    expected = Restorer(_VAULT.value_of, in_json=True).feed("".join(arguments), final=True)
    for call in (0, 1):
        assert texts.get((1, "arguments", call), "") == expected
        json.loads(texts[1, "arguments", call])
    assert out.endswith(b"data: [DONE]\n\n")
    assert out.count(b"[DONE]") == 1


def test_every_single_cut_of_one_stream() -> None:
    deltas = [chunk(0, {"content": "Hallo, Jürgen: "})]
    deltas += [
        chunk(0, {"content": piece}) for placeholder, _ in _PAIRS for piece in (placeholder[:3], placeholder[3:])
    ]
    deltas.append(chunk(0, {}, "stop"))
    expected = "Hallo, Jürgen: " + "".join(value for _, value in _PAIRS)
    for ascii_only in (True, False):
        stream = sse(deltas, ascii_only=ascii_only)
        for place in range(len(stream) + 1):
            rewriting = transform(_VAULT.value_of)
            out = rewriting.feed(stream[:place]) + rewriting.feed(stream[place:]) + rewriting.end()
            assert collect(out)[0, "content"] == expected
    rewriting = transform(_VAULT.value_of)
    out = b"".join(rewriting.feed(stream[place : place + 1]) for place in range(len(stream))) + rewriting.end()
    assert collect(out)[0, "content"] == expected


def test_what_is_held_back_comes_before_the_end_of_a_stream_without_a_finish_reason() -> None:
    half = _PAIRS[0][0][:9]
    stream = sse([chunk(0, {"content": f"a {half}"})])
    rewriting = transform(_VAULT.value_of)
    out = rewriting.feed(stream) + rewriting.end()
    assert collect(out)[0, "content"] == f"a {half}"
    assert out.endswith(b"data: [DONE]\n\n")


def test_events_without_placeholders_keep_their_bytes() -> None:
    stream = sse([chunk(0, {"role": "assistant"}), chunk(0, {"content": "a  b 1e3 "}), chunk(0, {}, "stop")])
    rewriting = transform(_VAULT.value_of)
    assert rewriting.feed(stream) + rewriting.end() == stream


def test_brackets_that_a_model_drops_or_escapes() -> None:
    placeholder, value = _PAIRS[0]
    core = placeholder[1:-1]
    assert restored_at_once(f"{core}, <{core}, {core}>") == f"{value}, <{value}, {value}>"
    in_json = Restorer(_VAULT.value_of, in_json=True)
    arguments = in_json.feed('{"to": "\\u003c' + core + '\\u003E"}', final=True)
    assert json.loads(arguments) == {"to": value}


def test_values_in_arguments_and_in_json_answers_are_escaped() -> None:
    placeholder, value = _PAIRS[3]
    message = {
        "content": json.dumps({"key": placeholder}),
        "tool_calls": [{"function": {"arguments": f'{{"k":"{placeholder}"}}'}}],
    }
    body = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    out = json.loads(transform(_VAULT.value_of, json_content=True).whole(body))["choices"][0]["message"]
    assert json.loads(out["content"]) == {"key": value}
    assert json.loads(out["tool_calls"][0]["function"]["arguments"]) == {"k": value}
    plain = json.loads(transform(_VAULT.value_of).whole(body))["choices"][0]["message"]
    assert value in plain["content"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"choices": [{"message": {"content": "\\ud800"}}]}'])
def test_a_whole_answer_that_cannot_be_restored_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal):
        transform(_VAULT.value_of).whole(body)


def test_a_frame_that_cannot_be_restored_is_refused() -> None:
    for frame in (b"data: {\n\n", b"data: []\n\n", b'data: {"choices": [1]}\n\n'):
        with pytest.raises(Refusal):
            transform(_VAULT.value_of).feed(frame)


def test_the_same_value_has_the_same_placeholder_and_only_with_the_same_key() -> None:
    one, other, foreign = Vault(b"k" * 32), Vault(b"k" * 32), Vault(b"x" * 32)
    assert (
        one.placeholder("email", "a@b.de") == other.placeholder("email", "a@b.de") == one.placeholder("email", "a@b.de")
    )
    assert one.placeholder("email", "a@b.de") != one.placeholder("email", "a@b.dk")
    assert one.placeholder("email", "a@b.de") != foreign.placeholder("email", "a@b.de")
    assert set(one.placeholder("email", "a@b.de")[7:-1]) <= set(ALPHABET)


def scan(*, blocks: bool = False, window: int = 256, spans_words: bool = False) -> OutputScan:
    assert SETUP is not None
    lens = Lens(SETUP.scanner, dict.fromkeys(SETUP.kinds, "mask"))
    return OutputScan(lens, blocks=blocks, window=window, seconds=9, spans_words=spans_words, counts={})


_PERSONAL = [
    "jane.doe@example.com",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "+49 30 1234567",
    "192.0.2.17",
]
_PERSONAL += [
    "sk-" + "a1B2" * 8,
    "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nabc+/=\n-----END PRIVATE KEY-----",  # not-a-secret
]
output_text = st.lists(
    st.one_of(st.sampled_from(_PERSONAL), st.sampled_from(["and then ", "Zürich. ", "\n", "日本語 ", "1. "])),
    max_size=7,
)


@settings(max_examples=200, deadline=None)
@given(output_text, cuts, st.booleans())
def test_output_is_masked_whatever_the_split(words: list[str], places: list[int], spans_words: bool) -> None:
    text = " and ".join(words)
    scanning = scan(spans_words=spans_words)
    out = "".join(scanning.feed(piece) for piece in cut(text, places)) + scanning.feed("", final=True)
    for value in _PERSONAL:
        assert value not in out
        assert value[-8:] not in out or not words
    assert out.count("[") == sum(word in _PERSONAL for word in words)


def test_output_of_own_patterns_that_span_words() -> None:
    setup = load_privacy("", PrivacyConfig(patterns={"project": "project night jar"}), {"c": _Client()}, [])
    assert setup is not None
    lens = Lens(setup.scanner, dict.fromkeys(setup.kinds, "mask"))
    for place in range(60):
        scanning = OutputScan(lens, blocks=False, window=64, seconds=9, spans_words=True, counts={})
        text = "We speak of project night jar and of nothing else at all, ever."
        out = scanning.feed(text[:place]) + scanning.feed(text[place:]) + scanning.feed("", final=True)
        assert out == "We speak of [PROJECT] and of nothing else at all, ever."


def test_logprobs_are_dropped_where_the_output_is_scanned() -> None:
    body = b'{"choices": [{"index": 0, "text": "x", "logprobs": {"tokens": ["jane.", "doe@example.com"]}}]}'
    assert transform({}).whole(body) == body
    assert b"jane" not in transform({}, drop_logprobs=True).whole(body)


def test_output_block_refuses_at_the_first_finding() -> None:
    scanning = scan(blocks=True)
    assert "Hello" in scanning.feed("Hello there, this goes out, ")
    assert "@" not in scanning.feed("write to jane.") + scanning.feed("doe@exam") + scanning.feed("ple.com")
    with pytest.raises(Refusal) as refused:
        scanning.feed(" now")
    assert refused.value.code == "privacy_output_blocked"
    assert b"jane" not in refused.value.body


def test_output_without_an_end_is_refused() -> None:
    scanning = scan()
    assert scanning.feed("-----BEGIN PRIVATE KEY-----") == ""  # not-a-secret
    for _ in range(7):
        assert scanning.feed("AAAABBBB" * 256) == ""
    with pytest.raises(Refusal):
        scanning.feed("AAAABBBB" * 256)
