"""Secrets set beside the deployment: every shape of wrong is a problem, and none of them shows the secret."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.given_secrets import parse_secrets
from infra.problems import Refused

KEY = "a-key-of-my-own-that-is-long-enough"


def test_keys_and_token_are_taken() -> None:
    secrets = parse_secrets(json.dumps({"dev": KEY, "web": [KEY + "1", KEY + "2"]}), "hf", ("dev", "web"))
    assert secrets.client_keys == {"dev": (KEY,), "web": (KEY + "1", KEY + "2")}
    assert secrets.huggingface_token == "hf"


def test_nothing_set_is_nothing_given() -> None:
    assert parse_secrets(None, None, ("dev",)).client_keys == {}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('"text"', "something else than a map"),
        ("not json", "something else than a map"),
        ("[" * 100_000, "something else than a map"),
        ('{"dev": "short"}', "too short"),
        ('{"dev": []}', "an empty list"),
        ('{"dev": {"a": 1}}', "too short or not plain text"),
        ('{"dev": [["x"]]}', "too short or not plain text"),
        ('{"dve": "' + KEY + '"}', "did you mean `dev`?"),
        ('{"dev": ["' + KEY + '", "' + KEY + '"]}', "one key more than once"),
    ],
)
def test_each_mistake_is_explained_and_shows_no_key(keys: str, expected: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_secrets(keys, None, ("dev",))
    assert expected in str(refused.value)
    assert KEY not in str(refused.value)


def test_a_secret_in_the_place_of_a_name_is_not_shown() -> None:
    misplaced = "sk-" + "AbCdEfGhIjKlMnOpQrStUv"
    with pytest.raises(Refused) as refused:
        parse_secrets(json.dumps({misplaced: KEY}), None, ("dev",))
    assert misplaced not in str(refused.value)


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_text_whatsoever_ends_otherwise(text: str) -> None:
    with suppress(Refused):
        assert parse_secrets(text, None, ("dev",)).huggingface_token == ""


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        (None, "slipway:gateway_secrets.cloud\n   found    nothing"),
        ('"text"', "something else than a map"),
        ("{}", "slipway:gateway_secrets.cloud\n   found    nothing"),
        ('{"cloud": ""}', "something else than plain text"),
        ('{"cloud": 5}', "something else than plain text"),
        ('{"cloud": "a\\u0000b"}', "something else than plain text"),
        ('{"cloud": "canary-1", "clod": "canary-2"}', "did you mean `cloud`?"),
    ],
)
def test_each_mistake_with_the_gateways_secrets_is_explained(given_text: str | None, expected: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_secrets(None, None, ("dev",), given_text, ("cloud",))
    assert expected in str(refused.value)
    assert "canary" not in str(refused.value)


def test_the_gateways_secrets_are_taken() -> None:
    text = json.dumps({"cloud": "key", "pem": "-----BEGIN KEY-----\nabc\n"})
    assert parse_secrets(None, None, (), text, ("cloud", "pem")).gateway_secrets["pem"].endswith("abc\n")
