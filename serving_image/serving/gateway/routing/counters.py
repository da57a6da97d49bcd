"""What metrics say about one model's routing, as plain numbers: counting costs nothing, and scraping is rare."""

from __future__ import annotations


class Counters:
    """Of one pool, since the process started."""

    __slots__ = (
        "ejections",
        "fallbacks",
        "hangs",
        "queue_refusals",
        "recoveries",
        "retries",
        "retries_denied",
        "shadow",
    )

    def __init__(self) -> None:
        self.ejections = self.hangs = self.recoveries = 0
        self.retries = self.retries_denied = self.fallbacks = 0
        self.queue_refusals = 0
        self.shadow = {"done": 0, "failed": 0, "dropped": 0}
