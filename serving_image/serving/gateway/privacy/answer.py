"""Rewrites an engine's answer on its way to the client: every text of every choice, whole or as a stream of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import orjson

from serving.gateway import engine_errors
from serving.gateway.privacy.scanner import TooSlow
from serving.gateway.refusal import Refusal, four_parts

# Not texts, or texts of the protocol.
_FIXED = frozenset(("role", "type", "id", "object", "finish_reason", "stop_reason", "index", "logprobs"))

_Path = tuple[str | int, ...]


class TextRewriter(Protocol):
    """Rewrites one text that comes in pieces. What it returned, joined, does not depend on the cuts."""

    def feed(self, piece: str, *, final: bool = False) -> str:
        """What is certain now; with `final`, the rest."""
        ...


MakeRewriter = Callable[[bool], TextRewriter]
"""Makes one for a new text. Its argument: whether the text is JSON, so that what is put in must be escaped."""


class AnswerTransform:
    """One answer. Bytes in, in any split; bytes out, always whole events. Raises Refusal when it cannot be done, and
    then nothing more of the answer may be sent.

    Events in which nothing changes keep their bytes. Text that is held back is sent before the choice's
    finish_reason, in an event of its own if need be. `drop_logprobs`: they spell out the text once more.
    """

    __slots__ = ("_drop_logprobs", "_envelope", "_json_content", "_make", "_partial", "_texts", "largest_whole")

    def __init__(self, make: MakeRewriter, *, json_content: bool, drop_logprobs: bool, largest_whole: int) -> None:
        self._make = make
        self._json_content = json_content
        self._drop_logprobs = drop_logprobs
        self._partial = b""
        self._texts: dict[_Path, TextRewriter] = {}
        self._envelope: dict[str, Any] = {}
        self.largest_whole = largest_whole

    def feed(self, chunk: bytes) -> bytes:
        """What the client may have now."""
        text = self._partial + chunk if self._partial else chunk
        held = b""
        if b"\r" in text:
            held = b"\r" if text.endswith(b"\r") else b""
            text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        frames = text.split(b"\n\n")
        self._partial = frames.pop() + held
        try:
            return b"".join([self._frame(frame) for frame in frames])
        except TooSlow:
            raise _too_slow() from None

    def end(self) -> bytes:
        """The rest, at the proper end of the stream."""
        try:
            return self._flushed(None)
        except TooSlow:
            raise _too_slow() from None

    def too_large(self) -> Refusal:
        """Why a whole answer of more than `largest_whole` bytes is not passed on."""
        return Refusal(
            502,
            "privacy_answer_too_large",
            four_parts(
                "answer",
                "more bytes than can be scanned or restored",
                f"{self.largest_whole} bytes (privacy.largest_answer_bytes)",
                "Ask for a shorter answer or for a stream.",
            ),
            kind="api_error",
        )

    def whole(self, body: bytes) -> bytes:
        """The same for an answer that is not a stream."""
        try:
            document: Any = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise engine_errors.malformed() from None
        if type(document) is not dict:
            raise engine_errors.malformed()
        choices: Any = cast("dict[str, Any]", document).get("choices")
        changed = False
        try:
            for choice in cast("list[Any]", choices) if type(choices) is list else ():
                if type(choice) is dict:
                    fields = cast("dict[str, Any]", choice)
                    changed = self._strip(fields) or changed
                    changed = self._rewrite(fields, (_index_of(fields, 0),), final=True, kept=False) or changed
        except TooSlow:
            raise _too_slow() from None
        return orjson.dumps(document) if changed else body

    def _frame(self, frame: bytes) -> bytes:
        if frame.startswith(b"data: ") and b"\n" not in frame:
            payload, other = frame[6:], b""
        else:
            lines = frame.split(b"\n")
            payload = b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
            other = b"".join(line + b"\n" for line in lines if line and not line.startswith(b"data:"))
            if not payload:
                return frame + b"\n\n"
        if payload.startswith(b"[DONE]"):
            return self._flushed(None) + frame + b"\n\n"
        try:
            document: Any = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise engine_errors.malformed() from None
        if type(document) is not dict:
            raise engine_errors.malformed()
        fields = cast("dict[str, Any]", document)
        before, changed = self._event(fields)
        if not changed:
            return before + frame + b"\n\n"
        return before + other + b"data: " + orjson.dumps(fields) + b"\n\n"

    def _event(self, event: dict[str, Any]) -> tuple[bytes, bool]:
        """Rewrites one event in place. Also: what must be sent in front of it, and whether it changed."""
        choices: Any = event.get("choices")
        if type(choices) is not list or not choices:
            return b"", False
        self._envelope = {name: value for name, value in event.items() if name not in ("choices", "usage")}
        before: list[bytes] = []
        changed = False
        for place, choice in enumerate(cast("list[Any]", choices)):
            if type(choice) is not dict:
                raise engine_errors.malformed()
            fields = cast("dict[str, Any]", choice)
            index = _index_of(fields, place)
            changed = self._strip(fields) or changed
            final = fields.get("finish_reason") is not None
            changed = self._rewrite(fields, (index,), final=final, kept=True) or changed
            if final:
                before.append(self._flushed(index))
        return b"".join(before), changed

    def _strip(self, choice: dict[str, Any]) -> bool:
        if not self._drop_logprobs or choice.get("logprobs") is None:
            return False
        choice["logprobs"] = None
        return True

    def _rewrite(self, fields: dict[str, Any], path: _Path, *, final: bool, kept: bool) -> bool:
        """Rewrites every text in `fields`. `kept`: pieces of a text follow one another under the same path."""
        changed = False
        for name, value in fields.items():
            if name in _FIXED:
                continue
            if type(value) is str:
                new = self._feed((*path, name), value, final=final, kept=kept)
                if new != value:
                    fields[name] = new
                    changed = True
            elif type(value) is dict:
                inner = cast("dict[str, Any]", value)
                changed = self._rewrite(inner, (*path, name), final=final, kept=kept) or changed
            elif type(value) is list:
                for place, entry in enumerate(cast("list[Any]", value)):
                    if type(entry) is dict:
                        inner = cast("dict[str, Any]", entry)
                        below = (*path, name, _index_of(inner, place))
                        changed = self._rewrite(inner, below, final=final, kept=kept) or changed
                    elif type(entry) is str:
                        new = self._feed((*path, name, place), entry, final=True, kept=False)
                        value[place] = new
                        changed = changed or new != entry
        return changed

    def _feed(self, path: _Path, piece: str, *, final: bool, kept: bool) -> str:
        text = self._texts.get(path) if kept else None
        if text is None:
            text = self._make(path[-1] == "arguments" or (self._json_content and path[-1] in ("content", "text")))
            if kept:
                self._texts[path] = text
        if final:
            self._texts.pop(path, None)
        return text.feed(piece, final=final)

    def _flushed(self, index: int | None) -> bytes:
        """Events with what is held back of one choice, or of all."""
        out: list[bytes] = []
        for path in [path for path in self._texts if index is None or path[0] == index]:
            rest = self._texts.pop(path).feed("", final=True)
            if rest:
                choice = {"index": path[0], **_nested(path[1:], rest), "finish_reason": None}
                out.append(b"data: " + orjson.dumps({**self._envelope, "choices": [choice]}) + b"\n\n")
        return b"".join(out)


def _nested(path: _Path, text: str) -> dict[str, Any]:
    """`text` at the end of `path`, as a delta has it."""
    value: Any = text
    for step in reversed(path):
        if type(step) is str:
            value = {step: value}
        elif type(value) is dict:
            value = [{"index": step, **cast("dict[str, Any]", value)}]
        else:
            value = [value]
    return value


def _index_of(fields: dict[str, Any], place: int) -> int:
    index: Any = fields.get("index")
    return index if type(index) is int else place


def _too_slow() -> Refusal:
    return Refusal(
        503,
        "privacy_scan_too_slow",
        four_parts(
            "answer",
            "more text than could be scanned for personal data in the time for it",
            "what fits into privacy.scan_milliseconds",
            "Ask for a shorter answer, or try again later.",
        ),
        kind="api_error",
    )
