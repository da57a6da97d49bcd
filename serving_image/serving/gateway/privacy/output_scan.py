"""Looks for personal data in what a model writes, in a text that arrives in pieces cut anywhere."""

from __future__ import annotations

import time

from serving.gateway.privacy.placeholders import LITERAL, label
from serving.gateway.privacy.recogniser import Finding
from serving.gateway.privacy.scanner import Lens
from serving.gateway.refusal import Refusal, four_parts

# A finding that grows longer than this without an end (a private key without one) cannot be held back any more.
_LONGEST_FINDING = 16_384
# What was sent before still counts as context: the word before a number, the character before a word.
_CONTEXT = 64


class OutputScan:
    """One text of one answer. Masks findings, or refuses at the first one.

    What may still become a finding is held back: the last word, and words with digits before it, up to `window`
    characters; with names or own patterns, which may span words, always `window` characters. So a value that is
    longer than `window` and recognised only by its end can get out in part.
    """

    __slots__ = ("_before", "_blocks", "_held", "_lens", "_seconds", "_spans_words", "_window", "counts")

    def __init__(
        self, lens: Lens, *, blocks: bool, window: int, seconds: float, spans_words: bool, counts: dict[str, int]
    ) -> None:
        self._lens = lens
        self._blocks = blocks
        self._window = window
        self._seconds = seconds
        self._spans_words = spans_words
        self._before = ""
        self._held = ""
        self.counts = counts

    def feed(self, piece: str, *, final: bool = False) -> str:
        """The text that is now certain, masked. Raises Refusal when findings are refused."""
        fresh = self._held + piece
        if not fresh:
            return ""
        text = self._before + fresh
        sent = len(self._before)
        found = self._findings(text)
        limit = len(text) if final else max(sent, self._certain_until(text))
        out: list[str] = []
        done = sent
        for finding in found:
            if finding.end <= sent or finding.start >= limit:
                continue
            if not final and (finding.end > limit or finding.end == len(text)):
                limit = max(finding.start, done)
                break
            if self._blocks:
                raise _blocked()
            out.append(text[done : max(finding.start, done)])
            out.append(f"[{label(finding.kind)}]")
            self.counts[finding.kind] = self.counts.get(finding.kind, 0) + 1
            done = finding.end
        limit = max(limit, done)
        out.append(text[done:limit])
        self._before = text[max(0, limit - _CONTEXT) : limit]
        self._held = text[limit:]
        if len(self._held) > _LONGEST_FINDING:
            raise _endless()
        return "".join(out)

    def _findings(self, text: str) -> list[Finding]:
        suspects = self._lens.suspects(text)
        if not suspects:
            return []
        found = self._lens.findings(text, suspects, time.perf_counter() + self._seconds)
        # Placeholders in the answer are the request's own; they are restored after this.
        return [finding for finding in found if finding.kind != LITERAL]

    def _certain_until(self, text: str) -> int:
        floor = max(0, len(text) - self._window)
        if self._spans_words:
            return floor
        tail = text[floor:]
        at = len(text)
        last = True
        for word in reversed(tail.split(" ")):
            if not last and not any(character.isdigit() or character in "+(" for character in word):
                break
            line = word.rfind("\n") + 1
            at -= len(word) - line
            if line:
                break
            at -= 1  # the space in front of it is held too
            last = False
        return max(at, floor)


def _blocked() -> Refusal:
    return Refusal(
        502,
        "privacy_output_blocked",
        four_parts(
            "answer",
            "personal data or secrets in what the model wrote",
            "answers without them for this key",
            "Ask differently, or ask the gateway's operator about this key's privacy settings.",
        ),
        kind="api_error",
    )


def _endless() -> Refusal:
    return Refusal(
        502,
        "privacy_output_unscannable",
        four_parts(
            "answer",
            f"something like a secret that goes on for more than {_LONGEST_FINDING} characters",
            "answers that can be scanned",
            "Ask differently.",
        ),
        kind="api_error",
    )
