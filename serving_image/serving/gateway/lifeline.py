"""One request's lifeline: notices that the client left or time ran out, and cancels the request's task."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from enum import Enum
from math import inf
from typing import Any

from serving.gateway.exchange import Carrier

_LOOK_SECONDS = 0.05
"""How late a limit may be noticed."""


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

    Time is kept by `keep_time` for all lifelines together: a timer per request would cost more than the rest of this
    file, and re-arming one per streamed event more than relaying it. `heard()` only moves a number.
    """

    __slots__ = (
        "_end_at",
        "_loop",
        "_phase_at",
        "_phase_cause",
        "_phase_seconds",
        "_released",
        "_task",
        "cause",
        "look_at",
        "sending",
    )

    def __init__(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.cause: Cause | None = None
        # True while `send` is awaited: silence is then the client's fault, not the engine's.
        self.sending = False
        # When a limit may have passed; never later than it does.
        self.look_at = inf
        self._task = task
        self._loop = loop
        self._phase_cause = Cause.TOTAL
        self._phase_seconds = inf
        self._phase_at = inf
        self._end_at = inf
        self._released = False

    def watch(self, connection: Carrier) -> None:
        """From now on, end the request when the client leaves."""
        connection.watch(self._client_gone)

    def phase(self, cause: Cause, seconds: float) -> None:
        """From now on, `seconds` without `heard()` end the request with `cause`."""
        self._phase_cause = cause
        self._phase_seconds = seconds
        self._phase_at = at = self._loop.time() + seconds
        self.look_at = at if at < self._end_at else self._end_at

    def end_after(self, seconds: float) -> None:
        """Whatever happens, end the request `seconds` from now."""
        self._end_at = at = self._loop.time() + seconds
        self.look_at = at if at < self._phase_at else self._phase_at

    def heard(self) -> None:
        """The awaited side made progress."""
        self._phase_at = self._loop.time() + self._phase_seconds

    @property
    def heard_at(self) -> float:
        """When `heard()` or `phase()` was last called; -inf while the phase has no limit."""
        return self._phase_at - self._phase_seconds if self._phase_at != inf else -inf

    def look(self, now: float) -> None:
        """Cut the request if one of its limits has passed."""
        if now >= self._end_at:
            self.cut(Cause.TOTAL)
        elif now >= self._phase_at:
            self.cut(Cause.CLIENT_STALLED if self.sending else self._phase_cause)
        else:
            self.look_at = min(self._phase_at, self._end_at)

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

    def _client_gone(self) -> None:
        self.cut(Cause.CLIENT_GONE)


async def keep_time(running: Collection[Lifeline]) -> None:
    """Runs until cancelled: ends requests of `running` whose time is over."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now = loop.time()
        for life in [life for life in running if life.look_at <= now]:
            life.look(now)
