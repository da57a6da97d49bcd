"""What a stand-in cloud knows about types: names it makes, ids, answers, and changes that take a new thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Inputs = Mapping[str, Any]
# What a thing answers beside its inputs: (type, logical name, id, inputs, place) to outputs.
Answers = Callable[[str, str, str, Inputs, str], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One cloud. `name_of` says which property is the physical name that the provider makes where none is given (None:
    there is none), and `longest` how long it may be. `replacing` are properties whose change takes a new thing;
    `unique` are types of which a name is there once, so that the old one goes first. `holds` are the types that refuse
    to go while others name them. `place` is the property of the provider's settings that says where things are.
    `asked` answers invokes."""

    place: str
    name_of: Callable[[str], str | None]
    longest: Mapping[str, int]
    id_of: Callable[[str, str, Inputs, str], str]
    answers: Answers
    computed: Callable[[str], frozenset[str]]
    replacing: Mapping[str, frozenset[str]]
    asked: Mapping[str, Callable[[Inputs, str], dict[str, Any]]]
    holds: frozenset[str] = field(default_factory=frozenset)
