"""One request's lifeline: notices that the client left or time ran out, and cancels the request's task."""

from __future__ import annotations

import asyncio
from enum import Enum
from math import inf
from typing import Any

from serving.gateway.asgi import Message, Receive


class Cause(Enum):
    """Why a lifeline cut its request."""

    CLIENT_GONE = "client_gone"
    CLIENT_STALLED = "client_stalled"
    BODY_SLOW = "body_too_slow"
    FIRST_BYTE = "engine_silent"
    STREAM_IDLE = "engine_stalled"
    TOTAL = "generation_too_long"
    DRAINED = "gateway_stopping"


class Lifeline:
    """Cuts one task at most once, and says why in `cause`.

    Time is kept by one lazily re-armed timer, because re-arming a timer per streamed event would cost more than
    relaying it: `heard()` only moves a number, the timer looks at it when it fires. The client is watched by a
    task blocked in `receive()`: the only way raw ASGI tells of a disconnect, in every phase.
    """

    __slots__ = (
        "_end_at",
        "_loop",
        "_phase_at",
        "_phase_cause",
        "_phase_seconds",
        "_released",
        "_task",
        "_timer",
        "_watch",
        "cause",
        "sending",
    )

    def __init__(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.cause: Cause | None = None
        # True while `send` is awaited: silence is then the client's fault, not the engine's.
        self.sending = False
        self._task = task
        self._loop = loop
        self._phase_cause = Cause.TOTAL
        self._phase_seconds = inf
        self._phase_at = inf
        self._end_at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[Message] | None = None
        self._released = False

    def watch(self, receive: Receive) -> None:
        """Start listening for the client's departure. Only after the body was read: `receive` has one reader."""
        self._watch = self._loop.create_task(receive())
        self._watch.add_done_callback(self._client_gone)

    def phase(self, cause: Cause, seconds: float) -> None:
        """From now on, `seconds` without `heard()` end the request with `cause`."""
        self._phase_cause = cause
        self._phase_seconds = seconds
        self._phase_at = self._loop.time() + seconds
        self._arm()

    def end_after(self, seconds: float) -> None:
        """Whatever happens, end the request `seconds` from now."""
        self._end_at = self._loop.time() + seconds
        self._arm()

    def heard(self) -> None:
        """The awaited side made progress."""
        self._phase_at = self._loop.time() + self._phase_seconds

    def cut(self, cause: Cause) -> None:
        """End the request now, unless it is over or already being cut."""
        if self.cause is None and not self._released:
            self.cause = cause
            self._task.cancel()

    def absorb(self) -> bool:
        """In `except CancelledError`: True if this lifeline cancelled, and the task may go on to answer."""
        if self.cause is None:
            return False
        self._task.uncancel()
        return True

    def release(self) -> None:
        """The request is over: nothing may cut it any more."""
        self._released = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _client_gone(self, watch: asyncio.Task[Message]) -> None:
        if not watch.cancelled() and watch.exception() is None and not self._released:
            self.cut(Cause.CLIENT_GONE)

    def _arm(self) -> None:
        at = min(self._phase_at, self._end_at)
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._due) if at != inf else None

    def _due(self) -> None:
        self._timer = None
        now = self._loop.time()
        # A millisecond of slack: the event loop's clock may fire a hair before the moment asked for.
        if now + 0.001 >= self._end_at:
            self.cut(Cause.TOTAL)
        elif now + 0.001 >= self._phase_at:
            self.cut(Cause.CLIENT_STALLED if self.sending else self._phase_cause)
        else:
            self._arm()
