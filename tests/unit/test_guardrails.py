"""Guardrails in the plan: what RE2 cannot have is found, what it has is not, and weakenings are said."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from infra.gateway.guardrails import LinearPattern
from infra.load import load_file
from infra.plan.build import build_plan

FULL = Path(__file__).resolve().parents[1] / "config" / "gateway-full.happy.yaml"
PATTERN = TypeAdapter(LinearPattern)


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
