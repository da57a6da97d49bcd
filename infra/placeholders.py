"""Placeholders in what the plan renders: what only a running site knows is put in their place where it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# A walk through a large document is mostly leaves: they are told without asking what else they could be.
LEAVES = (str, int, float, type(None))


def in_place(value: Any, folders: Mapping[str, str]) -> Any:
    """The same data with folders for their placeholders. Only where a path of ours begins with one: the same word in
    a text of the user's is the user's."""
    if isinstance(value, dict):
        return {key: in_place(inner, folders) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [in_place(inner, folders) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, str):
        first, slash, rest = value.partition("/")
        if slash and first in folders:
            return f"{folders[first]}/{rest}"
    return value
