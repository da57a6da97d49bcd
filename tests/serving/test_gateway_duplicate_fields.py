"""The quick look for fields that are there twice says what a whole second parse says, whatever the texts hold."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.gateway.context import RequestContext
from serving.gateway.refusal import Refusal
from serving.gateway.steps import parse_body as step

SPELLINGS = {
    ":": (":", r"\u003a", r"\u003A"),
    '"': (r"\"", r"\u0022"),
    "\\": ("\\\\", r"\u005c"),
    "é": ("é", r"\u00e9"),
}
SPACE = st.sampled_from(["", " ", "\n", "\t "])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A JSON text in one of its spellings."""
    letters = draw(st.text(alphabet=':"\\éa', max_size=6))
    return '"' + "".join(draw(st.sampled_from(SPELLINGS.get(letter, (letter,)))) for letter in letters) + '"'


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """An object whose few names may well be the same."""
    pairs = draw(st.lists(st.tuples(texts(), SPACE, SPACE, inner), max_size=4))
    return "{" + ",".join(f"{name}{before}:{after}{value}" for name, before, after, value in pairs) + "}"


VALUES = st.recursive(
    st.one_of(texts(), st.sampled_from(["1", "null", "-2.5e3", "12345678901234567890123"])),
    lambda inner: st.one_of(objects(inner), st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")),
    max_leaves=8,
)


def has_duplicates(text: str) -> bool:
    """By the standard library, which hands over every pair."""
    found = False

    def pairs(seen: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        found = found or len({name for name, _ in seen}) != len(seen)
        return dict(seen)

    json.loads(text, object_pairs_hook=pairs)
    return found


def refused(text: str) -> bool:
    context = SimpleNamespace(body=text.encode(), document=None)
    try:
        step.parse_body(cast("RequestContext", context))
    except Refusal as refusal:
        return "the same field twice" in refusal.body.decode()
    assert context.document is not None
    return False


@given(objects(VALUES))
@example('{"a":1,"a":":"}')
@example(r'{"a":1,"a":2,"b":"\u003a"}')
@example(r'{"a":":","a":"\u003A:"}')
@example('{"a":{"b":1},"a":{"c":1}}')
@example('{"model" :"a","model":"b","x":":"}')
@example(r'{"a":1,"a":2,"x\\":"\":"}')
def test_what_is_refused_is_what_has_a_field_twice(text: str) -> None:
    assert refused(text) is has_duplicates(text)


def test_many_fields_and_many_colons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the few fields that are counted one by one; and usual prompts never pay for a second parse."""
    monkeypatch.setattr(step.json, "loads", lambda *_, **__: pytest.fail("parsed twice"))
    many = {f"field-{number}": "a: b" for number in range(200)}
    assert not refused(json.dumps(many))
    assert not refused(json.dumps({"messages": [{"content": "Note: this is `x: y`."}] * 3}))
    assert not refused(json.dumps({"messages": [{"content": "No colon in here."}] * 3}))
