"""A recogniser: when to look (triggers for the prefilter), where (a re2 pattern), and whether it is one (a check)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from serving.gateway.privacy.linear_regex import compile_pattern

# Whether the span is one, and where it ends: the pattern may have taken too much. 0: it is not.
Check = Callable[[bytes, int, int], int]


class Finding(NamedTuple):
    """A span of a text and what it is."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Recogniser:
    """Everything of one kind that one pattern finds.

    `triggers` are patterns in the common part of re2's and Hyperscan's syntax; wherever `pattern` matches and `check`
    agrees, one of them must match too, or the recogniser is never asked. None at all: it is always asked. `pattern` is
    searched in UTF-8; when it has a group, the first one is the span.
    """

    kind: str
    triggers: tuple[str, ...]
    pattern: str
    check: Check | None = None


class Searcher:
    """A recogniser made ready."""

    __slots__ = ("_check", "_group", "_search", "kind")

    def __init__(self, recogniser: Recogniser, megabytes: int = 16, *, ignore_case: bool = False) -> None:
        compiled = compile_pattern(recogniser.pattern, ignore_case=ignore_case, megabytes=megabytes)
        self.kind = recogniser.kind
        self._search = compiled.search
        self._check = recogniser.check
        self._group = 1 if compiled.groups else 0

    def find(self, text: bytes) -> Iterator[Finding]:
        """Its findings in order. Spans that fail the check are tried again from the next possible beginning, so that
        a stray number in front of a card's number does not hide it. A generator: its caller keeps the time."""
        position = 0
        while (match := self._search(text, position)) is not None:
            start, end = match.span(self._group)
            if self._check is not None:
                end = self._check(text, start, end)
            if end > start:
                yield Finding(start, end, self.kind)
                position = end
            else:
                position = max(start, position) + 1
                yield Finding(start, start, "")  # nothing found, but time passed


_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_DIGITS = frozenset(b"0123456789")
_PUNCTUATION = bytes(code for code in range(256) if code not in _WORD)
# The standard library's, because spans are short and already found; it never sees a whole prompt.
_DIGIT_RUN = re.compile(rb"[0-9]+")


def ends_word(text: bytes, end: int) -> bool:
    """Whether no letter, digit or underscore follows."""
    return end >= len(text) or text[end] not in _WORD


def begins_word(text: bytes, start: int) -> bool:
    """Whether no letter, digit or underscore stands before."""
    return start == 0 or text[start - 1] not in _WORD


def inside_number(text: bytes, start: int, end: int) -> bool:
    """Whether the span is a part of a longer number such as 0.4111 or 4111.25."""
    before = start >= 2 and text[start - 1] in b".," and text[start - 2] in _DIGITS
    return before or (end + 1 < len(text) and text[end] in b".," and text[end + 1] in _DIGITS)


def digit_groups(text: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Begin and end of each run of digits in the span; a last run that goes on behind the span is left out."""
    groups = [run.span() for run in _DIGIT_RUN.finditer(text, start, end)]
    if groups and groups[-1][1] == end < len(text) and text[end] in _DIGITS:
        groups.pop()
    return groups


def plain(text: bytes) -> str:
    """Letters and digits only, in capitals."""
    return text.upper().translate(None, _PUNCTUATION).decode("ascii")
