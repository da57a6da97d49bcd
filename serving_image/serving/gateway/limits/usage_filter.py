"""Takes out of a stream what asking for usage put into it, and nothing else."""

from __future__ import annotations

import msgspec

from serving.gateway.usage import read_event

# Some upstreams put this into every event but the last once usage was asked for (as OpenAI's own API does). Inside a
# JSON string its quotes would be escaped, so these bytes are always a field.
_NO_USAGE = (b',"usage":null', b', "usage": null')


class UsageFilter:
    """Fed with a stream in any split; gives back the same bytes but for what `include_usage` added to them.

    Only whole events are given on, so that the extra one can still be held back when its first bytes arrive.
    """

    __slots__ = ("_end", "_waiting")

    def __init__(self) -> None:
        self._waiting = b""
        self._end = b""

    def feed(self, chunk: bytes) -> bytes:
        """What of `chunk`, and of what waited before it, the client may have now."""
        text = self._waiting + chunk if self._waiting else chunk
        if not self._end and not self._find_end(text):
            self._waiting = text
            return b""
        end = self._end
        if text.endswith(end):
            self._waiting = b""
        else:
            cut = text.rfind(end)
            if cut < 0:
                self._waiting = text
                return b""
            cut += len(end)
            self._waiting = text[cut:]
            text = text[:cut]
        if b'"usage"' not in text:
            return text
        *events, rest = text.split(end)
        # `rest` is a line end too many behind an event: not ours to take away.
        return b"".join(map(self._without_usage, events)) + rest

    def rest(self) -> bytes:
        """Bytes behind the last whole event, at the proper end of a stream."""
        waiting, self._waiting = self._waiting, b""
        return waiting

    def _find_end(self, text: bytes) -> bool:
        """Upstreams end lines in one of two ways, and keep to it."""
        places = [(place, end) for end in (b"\n\n", b"\r\n\r\n") if (place := text.find(end)) >= 0]
        if places:
            self._end = min(places)[1]
        return bool(places)

    def _without_usage(self, event: bytes) -> bytes:
        if b'"usage"' in event:
            data = event[event.find(b"data:") + 5 :]
            try:
                seen = read_event(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return event + self._end
            if seen.usage is not None:
                return event + self._end if seen.choices else b""
            for field in _NO_USAGE:
                event = event.replace(field, b"")
        return event + self._end
