"""A retry budget: extra calls are a bounded share of the calls of the last ten seconds."""

from __future__ import annotations

from serving.gateway.routing.config import RetryConfig

WINDOW_SECONDS = 10


class RetryBudget:
    """Per model and process. Counts first calls and extra calls in one-second slots, so the window slides by one."""

    __slots__ = ("_calls", "_extra", "_second", "at_least", "calls", "extra", "share")

    def __init__(self, config: RetryConfig) -> None:
        self.configure(config)
        # Sums over the window, kept beside the slots: reading them is what a request does.
        self.calls = 0
        self.extra = 0
        self._calls = [0] * WINDOW_SECONDS
        self._extra = [0] * WINDOW_SECONDS
        self._second = 0

    def configure(self, config: RetryConfig) -> None:
        """At the start and after a reload."""
        self.share = config.percent / 100
        self.at_least = config.at_least

    def called(self, now: float) -> None:
        """Count a first call."""
        second = int(now)
        if second > self._second:
            self._slide(second)
        self._calls[self._second % WINDOW_SECONDS] += 1
        self.calls += 1

    def take(self, now: float) -> bool:
        """Whether one more extra call is within the budget; if so it is counted."""
        second = int(now)
        if second > self._second:
            self._slide(second)
        # A ten-millionth of slack: 0.1 * 30 must be 3.
        if self.extra + 1 > max(self.at_least, self.share * self.calls + 1e-7):
            return False
        self._extra[self._second % WINDOW_SECONDS] += 1
        self.extra += 1
        return True

    def _slide(self, second: int) -> None:
        for passed in range(max(self._second + 1, second - WINDOW_SECONDS + 1), second + 1):
            slot = passed % WINDOW_SECONDS
            self.calls -= self._calls[slot]
            self.extra -= self._extra[slot]
            self._calls[slot] = self._extra[slot] = 0
        self._second = second
