"""A request, as far as choosing a place for it needs to know it."""

from __future__ import annotations

from typing import Any, Protocol

from serving.gateway.asgi import Scope


class Named(Protocol):
    """Whoever asks."""

    name: str


class Asking(Protocol):
    """RequestContext has all of this; choosing is tested with less."""

    # Where it may go; None: anywhere.
    boundaries: frozenset[str] | None
    # What its conversation is hashed to, once somebody asked.
    prefix: tuple[int, int] | None
    document: dict[str, Any]
    scope: Scope

    @property
    def client(self) -> Named | None:
        """The client it came from."""
        ...
