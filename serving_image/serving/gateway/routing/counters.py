"""What metrics say about one model's routing, as plain numbers: counting costs nothing, and scraping is rare."""

from __future__ import annotations


class Counters:
    """Of one pool, since the process started."""

    __slots__ = (
        "ejections",
        "fallbacks",
        "hangs",
        "kept",
        "overflows",
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
        # Requests that the next site got, by its boundary and why; and those that stayed although they were to go.
        self.overflows: dict[tuple[str, str], int] = {}
        self.kept: dict[str, int] = {}
        self.shadow = {"done": 0, "failed": 0, "dropped": 0}
