"""Deny patterns: which of them is in a text, in time linear in the text."""

from __future__ import annotations

from collections.abc import Mapping

from serving.gateway.privacy import folding
from serving.gateway.privacy.linear_regex import PatternError, compile_pattern, compile_set

# Escapes may be nested: arguments are JSON inside JSON, and their texts may hold JSON again.
_DEEPEST_ESCAPES = 3


def pattern_problem(pattern: str) -> str | None:
    """Why a pattern cannot be used, or None."""
    try:
        if compile_pattern(pattern).search(b"", 0) is not None:
            return "it matches the empty text"
    except PatternError as error:
        return str(error)[:200]
    return None


class DenyPatterns:
    """Named patterns. `^` and `$` are the ends of a line: texts are joined by line ends before they are searched.

    A text is searched as it is, and once more without what is invisible in it, with look-alike digits as digits and
    JSON's escapes as what they stand for (privacy/folding.py).
    """

    __slots__ = ("_matching", "_names")

    def __init__(self, patterns: Mapping[str, str]) -> None:
        """Raises PatternError. Each pattern must be good by itself (`pattern_problem`)."""
        self._names = list(patterns)
        self._matching = compile_set([f"(?m:{pattern})" for pattern in patterns.values()])

    def first(self, text: str) -> str | None:
        """The name of the first pattern, in their order, that is found. Raises ValueError when the search failed."""
        found = self._matching(text.encode())
        for _ in range(_DEEPEST_ESCAPES):
            if found or ("\\" not in text and text.isascii()):
                break
            folded = folding.fold(text)[0]
            if folded == text:
                break
            text = folded
            found = self._matching(text.encode())
        return self._names[min(found)] if found else None
