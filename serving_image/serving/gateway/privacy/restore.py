"""Puts values back in the place of placeholders, in a text that arrives in pieces cut anywhere."""

from __future__ import annotations

import orjson

from serving.gateway.privacy.placeholders import ALPHABET, HASH_LENGTH

_IN_ALPHABET = frozenset(ALPHABET)
# A placeholder's brackets; inside JSON a model may write them as escapes.
_PLAIN = (("<", (">",)),)
_JSON = (*_PLAIN, ("\\u003c", ("\\u003e", "\\u003E")), ("\\u003C", ("\\u003e", "\\u003E")))
LONGEST = 6 + 24 + 1 + HASH_LENGTH + 6
"""Characters of the longest placeholder: what is held back is shorter."""


class Restorer:
    """One text of one answer. What it returned, joined, does not depend on how the text was cut.

    Only whole placeholders of this request's vault are replaced, with brackets or without (models drop them). At the
    end of a piece it holds back what may become a placeholder, less than LONGEST characters, and nothing else.
    """

    __slots__ = ("_brackets", "_first", "_held", "_in_json", "_labels", "_value_of", "restored")

    def __init__(self, value_of: dict[str, str], *, in_json: bool = False) -> None:
        self._value_of = value_of
        self._labels = sorted({core.partition("_")[0] for core in value_of}, key=len, reverse=True)
        self._in_json = in_json
        self._brackets = _JSON if in_json else _PLAIN
        self._first = frozenset("<\\") | {label[0] for label in self._labels}
        self._held = ""
        self.restored = 0

    def feed(self, piece: str, *, final: bool = False) -> str:
        """The text that is now certain."""
        text = self._held + piece if self._held else piece
        if "_" not in text:
            return self._release(text, 0, [], final)
        out: list[str] = []
        done = 0
        bar = text.find("_")
        while bar >= 0 and bar + HASH_LENGTH < len(text):
            start, value = self._value_at(text, done, bar)
            if start < 0:
                bar = text.find("_", bar + 1)
                continue
            end = bar + 1 + HASH_LENGTH
            opener, closers = self._opener(text, done, start)
            if opener:
                rest = text[end : end + 6]
                closer = next((closer for closer in closers if rest.startswith(closer)), "")
                if not closer and not final and any(closer.startswith(rest) for closer in closers):
                    # Whether the brackets belong to it is not known yet.
                    out.append(text[done : start - len(opener)])
                    self._held = text[start - len(opener) :]
                    return "".join(out)
                if closer:
                    start -= len(opener)
                    end += len(closer)
            out.append(text[done:start])
            out.append(value)
            self.restored += 1
            done = end
            bar = text.find("_", done)
        return self._release(text, done, out, final)

    def _release(self, text: str, done: int, out: list[str], final: bool) -> str:
        held = len(text) if final else self._held_from(text, done)
        self._held = text[held:]
        if not out:
            return text[done:held]
        out.append(text[done:held])
        return "".join(out)

    def _value_at(self, text: str, done: int, bar: int) -> tuple[int, str]:
        """Where the placeholder around this underscore begins, and its value; -1 when there is none."""
        after = text[bar : bar + 1 + HASH_LENGTH]
        for label in self._labels:
            start = bar - len(label)
            if start >= done and text.startswith(label, start):
                value = self._value_of.get(label + after)
                if value is not None:
                    return start, orjson.dumps(value)[1:-1].decode() if self._in_json else value
        return -1, ""

    def _opener(self, text: str, done: int, start: int) -> tuple[str, tuple[str, ...]]:
        for opener, closers in self._brackets:
            if start - len(opener) >= done and text.startswith(opener, start - len(opener)):
                return opener, closers
        return "", ()

    def _held_from(self, text: str, done: int) -> int:
        for at in range(max(done, len(text) - LONGEST + 1), len(text)):
            if text[at] in self._first and self._may_become_one(text[at:]):
                return at
        return len(text)

    def _may_become_one(self, tail: str) -> bool:
        for opener, closers in self._brackets:
            if opener.startswith(tail):
                return True
            if tail.startswith(opener) and self._begins_core(tail[len(opener) :], closers):
                return True
        return self._begins_core(tail, ())

    def _begins_core(self, tail: str, closers: tuple[str, ...]) -> bool:
        """Whether `tail` is a beginning of a core, or (with closers) a core and a beginning of one of them."""
        label, bar, after = tail.partition("_")
        if not bar:
            return any(known.startswith(label) for known in self._labels)
        if label not in self._labels:
            return False
        hashed, rest = after[:HASH_LENGTH], after[HASH_LENGTH:]
        if not _IN_ALPHABET.issuperset(hashed):
            return False
        if len(hashed) < HASH_LENGTH:
            return True
        return any(closer.startswith(rest) and closer != rest for closer in closers)
