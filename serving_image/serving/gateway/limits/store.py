"""Where what was spent is known: the interface, and the store of a process that is alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol

from serving.gateway.limits.fleet import Fleet
from serving.gateway.limits.meter import Meter

# Another request may take what an exchange brought; asking for ever would be waiting without saying so.
EXCHANGES = 2


class Book(Protocol):
    """The meters of a process, as a store sees them."""

    def clients(self) -> Iterable[str]:
        """Every client that has a meter."""
        ...

    def meters_of(self, client: str) -> Iterable[Meter]:
        """One client's meters."""
        ...


class Store(Protocol):
    """What a request asks is answered by two attributes, without a call: `leasing` (take from leases, `exchange` when
    they do not do) and `closed` (the store is away and nobody may spend). With neither, meters count locally."""

    gateways: int
    leasing: bool
    closed: bool
    # Clients whose meters changed since the store was told.
    active: set[str]
    exchanges: int
    failures: int

    async def exchange(self, client: str) -> None:
        """Return when the store has answered about this client's demand, or when it is away. Never raises."""
        ...

    async def run(self) -> None:
        """Until cancelled."""
        ...

    async def close(self, tell: bool = True) -> None:
        """Tell the store everything, give every lease back (unless another store has taken the meters over), and
        hang up."""
        ...


class MemoryStore:
    """One process, nobody to ask."""

    def __init__(self, book: Book, fleet: Fleet) -> None:
        self.gateways = 1
        self.leasing = False
        self.closed = False
        self.active: set[str] = set()
        self.exchanges = self.failures = 0
        self._book = book
        self._fleet = fleet

    async def exchange(self, client: str) -> None:
        """Nothing to ask."""

    async def run(self) -> None:
        """Follow a wall clock that was set back by hours; going forward is seen by every request."""
        self._fleet.alone()
        while True:
            await asyncio.sleep(10)
            for client in self._book.clients():
                for meter in self._book.meters_of(client):
                    meter.turn(time.time())

    async def close(self, tell: bool = True) -> None:
        """Nothing to give back."""
