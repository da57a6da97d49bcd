"""A connection to an engine over TLS: what the event loop's TLS asks of a protocol beyond what plain TCP does."""

from __future__ import annotations

from serving.gateway.upstream_connection import HttpConnection


class SecureHttpConnection(HttpConnection):
    """The same connection. Bodies are bounded, so that nothing need wait when the transport holds much of one."""

    def eof_received(self) -> bool:
        """The engine said that it ends: False closes the transport."""
        return False

    def pause_writing(self) -> None:
        """The transport holds much."""

    def resume_writing(self) -> None:
        """It holds little again."""
