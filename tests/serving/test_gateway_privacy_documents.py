"""Gateway privacy: the walk over a request's document, and what it costs. No process, no network."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.privacy.document import refuse_unreadable, rewrite_document, texts_of
from serving.gateway.refusal import Refusal
from tests.serving.privacy_cost import CLEAN, WITH_HITS, everything, protect, request_of

EMAIL = "jane.canary@example.com"
CARD = "4111111111111111"
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from([EMAIL, f"a {EMAIL}, b", int(CARD), CARD, f'{{"x": "\\u006aane.canary@example.com\\n{CARD}"}}']),
)
names = st.one_of(st.text(max_size=6), st.sampled_from(["content", "arguments", "text", "data", EMAIL]))
documents = st.dictionaries(
    st.one_of(st.text(min_size=1, max_size=6), st.sampled_from(["messages", "metadata", "tools"])),
    st.recursive(
        leaves, lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(names, below, max_size=3))
    ),
    max_size=4,
)


def sane(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(documents.filter(sane))
def test_no_canary_stays_anywhere_and_all_come_back(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    changed, body, restore = protect(document, top_level_numbers=False)
    if not changed:
        assert document == before
        return
    text = json.dumps(body, ensure_ascii=False)
    for _ in range(3):
        assert "canary@" not in text
        text = text.replace("\\\\", "\\")
    nested = {name: value for name, value in body.items() if type(value) is not int}
    assert CARD not in json.dumps(nested)
    restored = json.loads(restore(json.dumps(body, ensure_ascii=False)))
    assert normal(restored) == normal(before)


def normal(value: Any) -> Any:
    """Long numbers may have become texts, and JSON inside arguments may be written differently."""
    if isinstance(value, dict):
        return {name: normal(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [normal(entry) for entry in value]
    if type(value) is int and abs(value) > 99_999_999:
        return str(value)
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            return value
        return normal(inner) if isinstance(inner, dict | list) else value
    return value


@settings(max_examples=200, deadline=None)
@given(documents.filter(sane))
def test_the_prefilter_sees_every_text_that_is_rewritten(document: dict[str, Any]) -> None:
    seen: list[str] = []
    rewrite_document(document, lambda text: seen.append(text) or text, keep_media=False)
    joined = "\n".join(texts_of(document))
    for text in seen:
        assert text in joined or json.dumps(text)[1:-1] in joined or "\\" in joined


def test_field_names_that_would_become_the_same_are_refused() -> None:
    with pytest.raises(Refusal) as refused:
        rewrite_document({"metadata": {"a": 1, "b": 2}}, lambda text: text.replace("a", "b"), keep_media=False)
    assert refused.value.code == "privacy_field_names"


def test_encoded_media_stay_only_where_they_are_allowed() -> None:
    picture = "data:image/png;base64," + "QUJD" * 100
    document: dict[str, Any] = {"messages": [{"content": [{"type": "image_url", "image_url": {"url": picture}}]}]}
    with pytest.raises(Refusal):
        refuse_unreadable(document, False)
    refuse_unreadable(document, True)
    assert not rewrite_document(document, lambda text: text.replace("QUJD", "x"), keep_media=True)
    assert rewrite_document(document, lambda text: text.replace("QUJD", "x"), keep_media=False)


@pytest.mark.parametrize("size", [2_048, 65_536])
def test_the_cost_stays_within_an_order_of_magnitude(size: int) -> None:
    """Not the measurement (privacy_cost.py is), only a net for a scan that became quadratic or lost its prefilter."""
    clean, hits = request_of(CLEAN, size), request_of(WITH_HITS, size)
    assert not everything(clean)
    assert everything(hits)

    def best(document: dict[str, Any]) -> float:
        times: list[float] = []
        for _ in range(5):
            fresh = copy.deepcopy(document)
            started = time.perf_counter()
            everything(fresh)
            times.append(time.perf_counter() - started)
        return min(times) * 1e6

    assert best(clean) < 50 + size * 0.02
    assert best(hits) < 2_000 + size * 2
