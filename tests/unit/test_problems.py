"""Problems, names and nearest names: the words that errors are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.explain import dotted, looks_like_credential, presentable, shown
from infra.naming import normalised
from infra.problems import Problem, Refused, did_you_mean, listing, nearest

KEYS = ("context_tokens", "concurrent_requests", "max_output_tokens", "longest_generation_seconds")


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("contex_tokens", "context_tokens"),
        ("Context-Tokens", "context_tokens"),
        ("max_tokens", "max_output_tokens"),
        ("longest_generation", "longest_generation_seconds"),
        ("replicas", None),
        ("", None),
    ],
)
def test_nearest(wanted: str, near: str | None) -> None:
    assert nearest(wanted, KEYS) == near


def test_did_you_mean_falls_back() -> None:
    assert did_you_mean("lama_cpp", ["llama_cpp"], "choose") == "did you mean `llama_cpp`?"
    assert did_you_mean("vllm", ["llama_cpp"], "choose one") == "choose one"
    assert did_you_mean("anything", [], "choose one") == "choose one"


def test_listing() -> None:
    assert listing(["a", "b"]) == "`a`, `b`"
    assert listing([]) == "none"


@pytest.mark.parametrize(
    ("name", "label"), [("chat", "chat"), ("Chat.v2", "chat-v2"), ("team_A.b", "team-a-b"), ("1.30", "1-30")]
)
def test_normalised(name: str, label: str) -> None:
    assert normalised(name) == label


@given(st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z"))
def test_a_normalised_name_is_a_dns_label_and_stays_one(name: str) -> None:
    label = normalised(name)
    assert 1 <= len(label) <= 63
    assert set(label) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert label[0] != "-" != label[-1]
    assert normalised(label) == label


def test_a_refusal_counts_and_numbers_and_drops_repetitions() -> None:
    one = Problem(where="a", found="b", allowed="c", remedy="d")
    two = Problem(where="e", found="f", allowed="g", remedy="h")
    assert (
        str(Refused("x.yaml", [one, one])) == "1 problem in x.yaml\n\n1. a\n   found    b\n   allowed  c\n   do       d"
    )
    assert str(Refused("x.yaml", [one, two, one])) == (
        "2 problems in x.yaml\n\n1. a\n   found    b\n   allowed  c\n   do       d\n\n"
        "2. e\n   found    f\n   allowed  g\n   do       h"
    )


def test_paths_are_written_as_pulumi_takes_them() -> None:
    assert dotted("slipway:deployment", ()) == "slipway:deployment"
    assert dotted("d", ("models", "chat.v2", "engine")) == 'd.models["chat.v2"].engine'
    assert dotted("d", ("clients", "dev", "models", 0)) == "d.clients.dev.models[0]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing (null)"),
        (True, "`true`"),
        (1.3, "the number 1.3"),
        (10**100, "the number 1" + "0" * 56 + "..."),
        ("", "empty text"),
        ("two\nlines\x1b[31m", r"`two\nlines\x1b[31m`"),
        ("x" * 80, "`" + "x" * 57 + "...`"),
        ({}, "an empty map"),
        ([1], "a list"),
    ],
)
def test_values_are_shown_short_typed_and_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text


CREDENTIALS = [
    "sk-AbCdEfGhIjKlMnOpQr",
    "sk-proj-AbCd_EfGh-IjKlMnOp",
    "slw_AbCdEfGhIjKlMnOpQr",
    "hf_AbCdEfGhIjKlMnOpQrStUv",
    "ghp_AbCdEfGhIjKlMnOpQrStUv",
    "AKIAABCDEFGHIJKLMNOP",  # not-a-secret
    "AIza" + "A" * 35,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",  # not-a-secret
    "xoxb-1234567890-abc",  # not-a-secret
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",  # not-a-secret
]


@pytest.mark.parametrize("secret", CREDENTIALS, ids=lambda secret: secret[:4])
@pytest.mark.parametrize("around", ["{}", "Bearer {}", "https://user:{}@host/", "key={}"])
def test_well_known_credentials_are_known_and_hidden(secret: str, around: str) -> None:
    text = around.format(secret)
    assert looks_like_credential(text)
    assert secret not in shown(text)
    assert secret[8:] not in presentable(text)


@pytest.mark.parametrize(
    "innocent",
    [
        "/mnt/disk-for-large-language-models/a.gguf",
        "task-classification-of-many-things",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "bartowski/SmolLM2-1.7B-Instruct-GGUF",
        "hf_hub",
    ],
)
def test_what_only_looks_a_little_like_one_is_left_alone(innocent: str) -> None:
    assert not looks_like_credential(innocent)
    assert presentable(innocent) == innocent
