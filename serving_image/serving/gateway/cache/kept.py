"""An answer as it is kept, and whether it is one that may be given again: complete, with a proper end."""

from __future__ import annotations

from typing import Protocol

import msgspec

# `content_filter` is not among them: filters change their minds.
_ENDS = frozenset(("stop", "length", "tool_calls", "function_call"))


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One answer, as its client got it. `boundary` is where it came from."""

    content_type: bytes
    boundary: str
    body: bytes

    @property
    def is_stream(self) -> bool:
        """Whether it is a server-sent event stream."""
        return self.content_type.startswith(b"text/event-stream")


class Store(Protocol):
    """Where answers are kept. `find` may have to wait; nothing of it ever fails: what cannot be had is not there."""

    async def find(self, key: bytes) -> Kept | None:
        """The answer under a key."""
        ...

    def keep(self, key: bytes, kept: Kept) -> None:
        """Keep it, if there is room and it can be done."""
        ...

    def close(self) -> None:
        """Another store takes its place: forget what this process holds."""
        ...


class _Choice(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None


class _Part(msgspec.Struct):
    """A whole answer or one event of a stream, as far as its end is seen there."""

    choices: list[_Choice] | None = None
    data: list[msgspec.Raw] | None = None
    error: msgspec.Raw | None = None


_decode = msgspec.json.Decoder(_Part).decode


def ends_well(kept: Kept, endpoint: str) -> bool:
    """Whether nothing is missing of it and nothing in it is an error. What cannot be read is not kept."""
    try:
        if kept.is_stream:
            return _stream_ends_well(kept.body)
        part = _decode(kept.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if part.error is not None:
        return False
    if endpoint == "embeddings":
        return bool(part.data)
    return bool(part.choices) and all(choice.finish_reason in _ENDS for choice in part.choices)


def _stream_ends_well(body: bytes) -> bool:
    """Every choice that began has ended, and [DONE] is the last that was said."""
    begun: set[int] = set()
    ended: set[int] = set()
    done = False
    for frame in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = [line[5:].removeprefix(b" ") for line in frame.split(b"\n") if line.startswith(b"data:")]
        if not data:
            continue
        if done:
            return False
        payload = b"\n".join(data)
        if payload.startswith(b"[DONE]"):
            done = True
            continue
        part = _decode(payload)
        if part.error is not None:
            return False
        for choice in part.choices or ():
            begun.add(choice.index)
            if choice.finish_reason in _ENDS:
                ended.add(choice.index)
    return done and bool(begun) and begun == ended
