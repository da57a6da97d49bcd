"""Guardrails in the plan: what RE2 cannot have is found, what it has is not, and weakenings are said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from infra.gateway.guardrails import Address, LinearPattern
from infra.load import load_file
from infra.plan.build import build_plan
from serving.gateway.guardrails.addresses import AllowedAddresses

FULL = Path(__file__).resolve().parents[1] / "config" / "gateway-full.happy.yaml"
PATTERN = TypeAdapter(LinearPattern)
ADDRESS = TypeAdapter(Address)


@pytest.mark.parametrize(
    "pattern",
    [
        *("abc", r"(?i)a", r"(?P<name>a)", "(?:a)", "(?m:^a$)", r"\\1", r"\(?=", r"[(?=]", r"[^](?=]", r"[\](?=]"),
        *(r"\Q(?=\1\E", "[[:alpha:](?=]", r"\x{31}", r"\p{L}+", "a??b"),
    ],
)
def test_what_re2_has_passes(pattern: str) -> None:
    assert PATTERN.validate_python(pattern) == pattern


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "a(?!b)", "(?<=a)b", "(?<!a)b", "(?>a)", r"(a)\1", r"(?P<n>a)(?P=n)", r"[a](?=b)", r"\\(?=a)"]
)
def test_what_re2_cannot_have_is_a_problem(pattern: str) -> None:
    with pytest.raises(ValidationError):
        PATTERN.validate_python(pattern)


def test_a_hook_that_fails_open_is_a_warning() -> None:
    (warning,) = (text for text in build_plan(load_file(FULL), "x").warnings if "guardrails" in text)
    assert warning == "guardrails `strict`: what the hook `names` cannot judge passes (`before.names.on_failure: pass`)"


@pytest.mark.parametrize("entry", ["data:", "a", "*.a_b.c-d", "http://[::1]:80", "A.b:99999", "a" * 253])
def test_an_address_that_both_sides_read(entry: str) -> None:
    assert ADDRESS.validate_python(entry) == entry
    AllowedAddresses((entry,))


@pytest.mark.parametrize(
    "entry", ["", "a" * 254, "[1]", f"[{':' * 46}]", "a-", "-a", "a/b", "a b", "u@a", "*", "ftp://a"]
)
def test_an_address_that_neither_side_reads(entry: str) -> None:
    with pytest.raises(ValidationError):
        ADDRESS.validate_python(entry)
    with pytest.raises(ValueError, match=f"^{re.escape(entry)}$"):
        AllowedAddresses((entry,))
