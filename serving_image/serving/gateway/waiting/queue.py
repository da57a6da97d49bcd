"""A queue with priorities that shares fairly between clients: O(log n) to enter and to leave."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")
# Below this many removed entries the heap is not worth cleaning.
_FEW = 64


class Entry(Generic[T]):
    """One waiting item and its place: priority, whether it lets others pass, its client's turn, and its number."""

    __slots__ = ("client", "item", "order", "waiting")

    def __init__(self, item: T, client: str, order: tuple[int, int, int, int]) -> None:
        self.item = item
        self.client = client
        self.order = order
        self.waiting = True

    def __lt__(self, other: Entry[T]) -> bool:
        return self.order < other.order


class FairQueue(Generic[T]):
    """Higher priority first. Within one priority clients take turns, whatever each has waiting, and each client's own
    items leave in the order they came (start-time fair queueing: an item's tag is one more than its client's last
    tag, or than the tag now being served)."""

    def __init__(self) -> None:
        self._heap: list[Entry[T]] = []
        self._removed = 0
        self._number = 0
        # Per priority the tag now being served; per client and priority its last tag and how many it has waiting.
        self._served: dict[int, int] = {}
        self._clients: dict[tuple[str, int], list[int]] = {}
        self.size = 0

    def add(self, item: T, client: str, priority: int = 0) -> Entry[T]:
        """Enter; the entry is for `remove`."""
        served = self._served.get(priority, 0)
        turn = self._clients.get((client, priority))
        if turn is None:
            turn = self._clients[client, priority] = [served, 0]
        turn[0] = max(turn[0], served) + 1
        turn[1] += 1
        self._number += 1
        entry = Entry(item, client, (-priority, 0, turn[0], self._number))
        heapq.heappush(self._heap, entry)
        self.size += 1
        return entry

    def pop(self) -> Entry[T]:
        """The next entry; the queue must not be empty."""
        while True:
            entry = heapq.heappop(self._heap)
            if entry.waiting:
                break
            self._removed -= 1
        self._served[-entry.order[0]] = max(entry.order[2], self._served.get(-entry.order[0], 0))
        self._leave(entry)
        return entry

    def put_back(self, entry: Entry[T]) -> None:
        """Undo a `pop`: to the same place."""
        turn = self._clients.setdefault((entry.client, -entry.order[0]), [entry.order[2], 0])
        turn[1] += 1
        entry.waiting = True
        heapq.heappush(self._heap, entry)
        self.size += 1

    def put_behind(self, entry: Entry[T]) -> None:
        """Undo a `pop`, but from now on it lets all of its priority pass who have not been put behind."""
        priority, _, turn, number = entry.order
        entry.order = (priority, 1, turn, number)
        self.put_back(entry)

    def remove(self, entry: Entry[T]) -> None:
        """Leave without having been served; nothing happens if it has left already."""
        if not entry.waiting:
            return
        self._leave(entry)
        # It stays in the heap as a shell until it surfaces or shells are the majority: O(log n) on average.
        self._removed += 1
        if self._removed > _FEW and self._removed * 2 > len(self._heap):
            self._heap = [kept for kept in self._heap if kept.waiting]
            heapq.heapify(self._heap)
            self._removed = 0

    def _leave(self, entry: Entry[T]) -> None:
        entry.waiting = False
        self.size -= 1
        key = (entry.client, -entry.order[0])
        turn = self._clients[key]
        turn[1] -= 1
        if not turn[1]:
            del self._clients[key]
        if not self.size:
            # Nobody waits: all clients are equal again, and nothing grows over the years.
            self._served.clear()
