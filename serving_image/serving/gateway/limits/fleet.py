"""Counts of the whole fleet: each gateway publishes its own once a second and reads the sum of the living.

    ledger.fleet.provide(lambda: {"chat": Counts(running=3, queued=1, held=0)})   # once; called about every second
    ledger.fleet.total("chat")                                                    # sync, from memory, at any time

With the memory store, or while the shared store is away, the total is this process's own and `fleet.complete` is
False for a shared store. A gateway not heard of for `LIVES_SECONDS` no longer counts.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

LIVES_SECONDS = 5
"""How long published counts stand for a gateway that says nothing any more."""


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """Requests of one model: at an engine, waiting in its queue, and held until it has a replica; and how many came in
    the last second."""

    running: int = 0
    queued: int = 0
    held: int = 0
    came: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.running + other.running,
            self.queued + other.queued,
            self.held + other.held,
            self.came + other.came,
        )


_NONE = Counts()
_decode = msgspec.json.Decoder(dict[str, Counts]).decode


class Fleet:
    """One per process."""

    def __init__(self) -> None:
        self.complete = True
        self._own: Callable[[], dict[str, Counts]] = dict
        self._others: dict[str, Counts] = {}
        self._published: dict[str, Counts] = {}

    def provide(self, own: Callable[[], dict[str, Counts]]) -> None:
        """What this process counts, by model."""
        self._own = own

    def total(self, model: str) -> Counts:
        """Own counts as they are now, others' as last published."""
        return self._own().get(model, _NONE).plus(self._others.get(model, _NONE))

    def others(self, model: str) -> Counts:
        """What other gateways last published."""
        return self._others.get(model, _NONE)

    def publish(self) -> bytes:
        """Own counts for the store."""
        self._published = self._own()
        return msgspec.json.encode(self._published)

    def heard(self, published: list[bytes]) -> None:
        """All living gateways' counts, the ones just published among them."""
        others: dict[str, Counts] = {}
        for text in published:
            try:
                counts = _decode(text)
            except msgspec.DecodeError:
                continue  # another version's
            for model, count in counts.items():
                others[model] = others.get(model, _NONE).plus(count)
        for model, count in self._published.items():
            others[model] = others.get(model, _NONE).plus(
                Counts(-count.running, -count.queued, -count.held, -count.came)
            )
        self._others = others
        self.complete = True

    def alone(self, complete: bool = True) -> None:
        """Nobody else is known: there is nobody (complete), or the store is away."""
        self._others = {}
        self.complete = complete
