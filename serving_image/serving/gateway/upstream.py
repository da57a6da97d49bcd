"""What the gateway needs from an upstream client: an interface, so that clients can differ per kind of engine."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from serving.gateway.engine_trust import EngineTrust


class UpstreamUnreachable(Exception):
    """No connection could be made: refused, unresolvable or not within the connect limit. Nothing was sent."""


class UpstreamLost(Exception):
    """The connection ended, or broke HTTP, before the answer did."""


class UpstreamAnswer(Protocol):
    """An answer whose head has arrived. Its body is read in pieces, as they come, undecoded."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    def header(self, name: str) -> bytes | None:
        """One response header, or None."""
        ...

    async def read(self) -> bytes:
        """The bytes that are there, at least one; b"" at the proper end. Raises UpstreamLost."""
        ...

    def whole(self) -> bytes | None:
        """The rest of the body without waiting, if it is all here; otherwise None, and `read` has it."""
        ...

    def close(self) -> None:
        """Let go of the connection: kept if the answer was read to its end, otherwise closed at once, which is
        how an engine learns that nobody wants the rest."""
        ...


class UpstreamClient(Protocol):
    """Sends one request to one engine. Cancelling any of its awaits closes the connection at once."""

    def open(
        self,
        url: str,
        headers: dict[str, str],
        body: bytes,
        connect_seconds: float,
        trust: EngineTrust | None = None,
    ) -> Coroutine[Any, Any, UpstreamAnswer]:
        """POST `body` to `url` and wait for the answer's head, without a limit of its own. `trust` is who vouches
        for one whose certificate is of no authority that the system knows, and what it is shown.

        Raises UpstreamUnreachable or UpstreamLost. A kept connection that turns out to be dead before any byte
        of the answer is replaced by a fresh one, once; nothing else is ever tried again.
        """
        ...

    def get(
        self, url: str, headers: dict[str, str], seconds: float, trust: EngineTrust | None = None, most_bytes: int = 0
    ) -> Coroutine[Any, Any, bytes | None]:
        """What GET `url` says if it answers 200 within `seconds`, and no more than `most_bytes` (0: whatever it says,
        which is not read, and empty here); otherwise None. Never raises but for cancellation."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
