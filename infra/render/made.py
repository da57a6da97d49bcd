"""A resource as a cloud has made it, and what the cloud computes of it: whoever stands in for a cloud asks here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Inputs = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Made:
    """`called` is its physical name, or what tells it from others where it has none; `place` the region of AWS, the
    project of Google Cloud."""

    token: str
    id: str
    called: str
    inputs: Inputs
    place: str


Answer = Callable[[Made], Any]
# By property: `a.b` is a part of what is given. They are known only when the resource is there.
Answers = Mapping[str, Answer]
# What a cloud is asked without anything being made: (arguments, place) to the answer.
Asked = Callable[[Inputs, str], dict[str, Any]]


def answered(answers: Answers, made: Made) -> dict[str, Any]:
    """Every property that the cloud computes, with what is given beside it where only a part is computed."""
    found: dict[str, Any] = {}
    for path, answer in answers.items():
        first, *rest = path.split(".")
        found[first] = _within(found.get(first, made.inputs.get(first)), rest, answer(made))
    return found


def _within(given: Mapping[str, Any] | None, path: list[str], value: Any) -> Any:
    """What is given, with the value at that path of it."""
    if not path:
        return value
    first, *rest = path
    given = given or {}
    return {**given, first: _within(given.get(first), rest, value)}


def made_up(length: int, *parts: str) -> str:
    """Digits that look like a cloud's own, the same for the same parts."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:length]
