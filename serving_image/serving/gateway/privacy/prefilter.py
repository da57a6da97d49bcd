"""The prefilter: one pass over all texts of a request tells which recognisers must look closer. Most need not.

Hyperscan where its wheel exists (x86-64 and arm64 Linux and macOS), otherwise re2's Set, which finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from serving.gateway.privacy.linear_regex import compile_set

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no wheel for this platform
    hyperscan = None

ENGINE = "re2" if hyperscan is None else "hyperscan"
# Compiled sets, by what they were made of: a reload with the same patterns compiles nothing (0.1 to 0.3 s, 2026-11).
_made: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Prefilter] = {}
_KEPT = 8


class Prefilter(Protocol):
    """`hits` names the patterns that match anywhere, by index, in no particular order; the index behind the last one
    stands for all literals."""

    @property
    def hits(self) -> Callable[[bytes], list[int]]: ...


def prefilter(patterns: Sequence[str], literals: Sequence[str] = (), engine: str = ENGINE) -> Prefilter:
    """A prefilter over `patterns` and the caseless `literals`. Raises what the engine raises."""
    key = (engine, tuple(patterns), tuple(literals))
    known = _made.get(key)
    if known is None:
        while len(_made) >= _KEPT:
            del _made[next(iter(_made))]
        known = _made[key] = (_Hyperscan if engine == "hyperscan" else _Set)(patterns, literals)
    return known


class _Hyperscan:
    """One multi-pattern database."""

    def __init__(self, patterns: Sequence[str], literals: Sequence[str]) -> None:
        assert hyperscan is not None
        module: Any = hyperscan
        once: int = module.HS_FLAG_SINGLEMATCH | module.HS_FLAG_UTF8
        expressions = [pattern.encode() for pattern in patterns]
        expressions += [_quoted(literal).encode() for literal in literals]
        flags = [once] * len(patterns) + [once | module.HS_FLAG_CASELESS | module.HS_FLAG_UCP] * len(literals)
        # All literals have one number: it matters only that one of them is there.
        ids = [*range(len(patterns)), *[len(patterns)] * len(literals)]
        database: Any = module.Database(mode=module.HS_MODE_BLOCK)
        if expressions:
            database.compile(expressions=expressions, ids=ids, elements=len(expressions), flags=flags)
        self._scan: Callable[..., Any] | None = database.scan if expressions else None
        self._database = database

    def hits(self, text: bytes) -> list[int]:
        """See Prefilter."""
        found: list[int] = []
        if self._scan is not None:
            self._scan(text, match_event_handler=_collect, context=found)
        return found


def _collect(number: int, _begin: int, _end: int, _flags: int, found: list[int]) -> None:
    if number not in found:
        found.append(number)


class _Set:
    """The same with re2 alone."""

    def __init__(self, patterns: Sequence[str], literals: Sequence[str]) -> None:
        expressions = list(patterns)
        if literals:
            expressions.append("(?i)(?:" + "|".join(map(_quoted, literals)) + ")")
        self.hits = compile_set(expressions)


def _quoted(literal: str) -> str:
    """As a pattern that means itself in both engines."""
    return "".join(
        character if character.isalnum() or ord(character) > 127 else rf"\x{{{ord(character):x}}}"
        for character in literal
    )
