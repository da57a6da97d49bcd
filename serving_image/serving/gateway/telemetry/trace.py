"""One request's place in a trace: W3C traceparent in and out, and whether it is sampled."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.gateway.asgi import Header

# W3C Trace Context, level 1: versions to come may have more behind it, and ids of zeros are none.
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_bits = random.SystemRandom().getrandbits
# Ids must not repeat between processes; how they come about is nobody's secret. The system's generator would cost a
# system call per request.
_ids = random.Random(_bits(256))  # noqa: S311


class Trace:
    """Ids of this request's two spans: the request itself, and its call of an engine."""

    __slots__ = ("began", "call_at", "call_span", "parent_span", "sampled", "span", "trace_id")

    def __init__(self, trace_id: str, parent_span: str, sampled: bool) -> None:
        self.trace_id = trace_id
        self.parent_span = parent_span
        self.sampled = sampled
        self.span = f"{_ids.getrandbits(64) or 1:016x}"
        self.call_span = f"{_ids.getrandbits(64) or 1:016x}"
        self.began = time.time()
        # Of the first call of an engine; 0: none was made.
        self.call_at = 0.0

    def traceparent(self) -> str:
        """What the engine gets: the call's span is its parent."""
        return f"00-{self.trace_id}-{self.call_span}-{'01' if self.sampled else '00'}"


def begin_trace(headers: list[Header], ratio: float, follow: bool) -> Trace:
    """The trace that a client began, or a new one, sampled with probability `ratio`."""
    if follow:
        found = [value for name, value in headers if name == b"traceparent"]
        # Two of them belong to no trace.
        parent = _TRACEPARENT.fullmatch(found[0]) if len(found) == 1 else None
        if parent is not None and parent[1] != b"ff" and not (parent[1] == b"00" and parent[5]):
            trace_id, span = parent[2].decode(), parent[3].decode()
            if trace_id != _NO_TRACE and span != _NO_SPAN:
                return Trace(trace_id, span, bool(int(parent[4], 16) & 1))
    return Trace(f"{_ids.getrandbits(128) or 1:032x}", "", _ids.random() < ratio)
