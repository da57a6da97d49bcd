"""Days and months in UTC as windows that only move forward, whatever a clock does."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Literal

Period = Literal["day", "month"]
_ONLY_A_JUMP = 3600.0
"""A wall clock set back by less than this keeps the newer window: going back and forth over midnight by a few minutes
must not give the same day twice. Set back by more, the clock was wrong before, and its window is corrected; what was
spent stays spent in both cases."""


class Window:
    """The current day or month."""

    __slots__ = ("_begins_at", "ends_at", "label", "period")

    def __init__(self, period: Period, wall: float) -> None:
        self.period: Period = period
        self._set(wall)

    def move(self, wall: float) -> bool:
        """Follow the clock; True when a new window began and counting starts anew."""
        if wall >= self.ends_at:
            self._set(wall)
            return True
        if wall < self._begins_at - _ONLY_A_JUMP:
            self._set(wall)
        return False

    def seconds_left(self) -> float:
        """Until the next window, at least one."""
        return max(1.0, self.ends_at - time.time())

    def _set(self, wall: float) -> None:
        now = datetime.fromtimestamp(wall, UTC)
        begin = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period == "day":
            end = begin + timedelta(days=1)
            self.label = begin.strftime("%Y-%m-%d")
        else:
            begin = begin.replace(day=1)
            end = (begin + timedelta(days=32)).replace(day=1)
            self.label = begin.strftime("%Y-%m")
        self._begins_at = begin.timestamp()
        self.ends_at = end.timestamp()
