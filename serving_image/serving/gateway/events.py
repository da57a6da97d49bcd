"""Reads a server-sent event stream beside the relay: is every frame whole JSON, did it end, what was used."""

from __future__ import annotations

import msgspec

from serving.gateway.usage import Usage, read_answer

# A single event larger than this is no chat delta; without a bound one endless line would fill memory.
_LARGEST_EVENT = 4 * 1024 * 1024


class EventScanner:
    """Fed with the bytes of a stream in any split. It changes nothing: the relay sends the same bytes on.

    After a `feed` that returned False the stream is broken (a frame was not JSON) and must not be relayed on.
    """

    __slots__ = ("_partial", "done", "events", "usage")

    def __init__(self) -> None:
        self.done = False
        # Events with data, [DONE] not counted: what tokens are estimated by when nobody reports usage.
        self.events = 0
        self.usage: Usage | None = None
        self._partial = b""

    @property
    def inside_frame(self) -> bool:
        """Whether the bytes fed so far end in the middle of a frame."""
        return bool(self._partial)

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes; False when a complete frame among them is broken."""
        text = self._partial + chunk if self._partial else chunk
        held = b""
        if b"\r" in text:
            # Line ends may be CRLF; one split between chunks waits for its other half.
            held = b"\r" if text.endswith(b"\r") else b""
            text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        frames = text.split(b"\n\n")
        self._partial = frames.pop() + held
        for frame in frames:
            if not self._frame(frame):
                return False
        return len(self._partial) <= _LARGEST_EVENT

    def _frame(self, frame: bytes) -> bool:
        if frame.startswith(b"data: ") and b"\n" not in frame:
            return self._payload(frame[6:])
        data = [line[5:].removeprefix(b" ") for line in frame.split(b"\n") if line.startswith(b"data:")]
        # Frames without data are comments (keep-alive) or bare event names.
        return not data or self._payload(b"\n".join(data))

    def _payload(self, payload: bytes) -> bool:
        if payload.startswith(b"[DONE]"):
            self.done = True
            return True
        self.events += 1
        try:
            usage = read_answer(payload).usage
        except msgspec.ValidationError:
            return True  # JSON, only not with the usage we know
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if usage is not None:
            self.usage = usage
        return True
