"""How long to wait before something that ended is started again: longer each time, short again once it was sound."""

from __future__ import annotations

FIRST_SECONDS = 0.25
MOST_SECONDS = 30.0
# A process that has run this long is sound: its next crash starts again with the shortest wait.
SOUND_SECONDS = 60.0


class BackOff:
    """The waits of one process and its successors."""

    def __init__(self) -> None:
        self._next = FIRST_SECONDS

    def after(self, ran_seconds: float) -> float:
        """The wait in seconds after a process that ran for `ran_seconds`."""
        wait = FIRST_SECONDS if ran_seconds > SOUND_SECONDS else self._next
        self._next = min(wait * 2, MOST_SECONDS)
        return wait
