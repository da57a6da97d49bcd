"""re2 with types: patterns that are searched in time linear in the text, whatever the pattern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import re2  # pyright: ignore[reportMissingTypeStubs]

_re2: Any = re2


class PatternError(Exception):
    """re2 does not take the pattern; the text says why."""


class Match(Protocol):
    """Where a pattern matched."""

    def span(self, group: int) -> tuple[int, int]: ...


class Pattern(Protocol):
    """A compiled pattern, for UTF-8."""

    @property
    def groups(self) -> int: ...
    def search(self, text: bytes, position: int) -> Match | None: ...


def compile_pattern(pattern: str, *, ignore_case: bool = False, megabytes: int = 16) -> Pattern:
    """Raises PatternError. `megabytes` bounds the memory of the compiled pattern."""
    try:
        return _re2.compile(pattern.encode(), _options(ignore_case, megabytes))
    except _re2.error as error:
        reason: Any = error.args[0] if error.args else "unknown"
        raise PatternError(reason.decode(errors="replace") if type(reason) is bytes else str(reason)) from None


def compile_set(patterns: Sequence[str], megabytes: int = 64) -> Callable[[bytes], list[int]]:
    """Which of `patterns` match a text. Raises PatternError."""
    compiled = _re2.Set.SearchSet(_options(False, megabytes))
    # The last one matches every text: a set that ran out of memory says "no match", which must not pass for one.
    try:
        for pattern in [*patterns, ""]:
            compiled.Add(pattern.encode())
    except _re2.error:
        raise PatternError("a pattern of a set") from None
    compiled.Compile()
    always = len(patterns)

    def matching(text: bytes) -> list[int]:
        found: list[int] = compiled.Match(text) or []
        found.remove(always)  # ValueError when it is not there: the search failed
        return found

    return matching


def escape(text: str) -> str:
    """A pattern that matches `text` and nothing else."""
    return str(_re2.escape(text))


def _options(ignore_case: bool, megabytes: int) -> Any:
    options = _re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.max_mem = megabytes * 1024 * 1024
    return options
