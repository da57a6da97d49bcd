"""One listening socket with uvicorn behind it, driven by us: no signal handlers and no shutdown of uvicorn's own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator
from typing import Any, cast

import uvicorn
from uvicorn.lifespan.off import LifespanOff

from serving.gateway.connection import GatewayConnection
from serving.gateway.traffic import ListenerConfig, Traffic


class Listener(uvicorn.Server):
    """A uvicorn server whose life we drive: open, tick, stop accepting, close what is idle."""

    config: ListenerConfig

    def __init__(self, application: Any, traffic: Traffic, keep_alive_seconds: int) -> None:
        super().__init__(ListenerConfig(application, cast("Any", GatewayConnection), traffic, keep_alive_seconds))
        self._listening: socket.socket | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are the process's, not uvicorn's."""
        yield

    async def open(self, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Start accepting on `listening`."""
        self.config.load()
        self.lifespan = LifespanOff(self.config)
        self._listening = listening
        self.servers = []
        await self.accept_with(tls)
        self.started = True

    async def accept_with(self, tls: ssl.SSLContext | None) -> None:
        """From now on, new connections get this context; open ones keep theirs.

        By accepting on a second handle of the same socket before closing the first: what waits in its queue is
        accepted by either. (Loading another certificate into a context in use would be half done when it is bad.)
        """
        assert self._listening is not None
        loop = asyncio.get_running_loop()
        before = self.servers
        # A peer that never finishes its handshake is bounded like one that never finishes its request's head.
        limits: dict[str, Any] = {} if tls is None else {"ssl_handshake_timeout": self.config.traffic.header_seconds}
        server = await loop.create_server(
            self._connection, sock=self._listening.dup(), ssl=tls, backlog=self.config.backlog, **limits
        )
        self.servers = [server]
        for old in before:
            old.close()

    def _connection(self) -> asyncio.Protocol:
        return cast("Any", GatewayConnection(self.config, self.server_state, self.lifespan.state))

    def connections(self) -> list[GatewayConnection]:
        """The connections open now."""
        return cast("list[GatewayConnection]", list(self.server_state.connections))

    def keep_alive(self, seconds: int) -> None:
        """For connections accepted from now on."""
        self.config.timeout_keep_alive = seconds

    def begin_drain(self) -> None:
        """See GatewayConnection.begin_drain."""
        for connection in self.connections():
            connection.begin_drain()

    async def stop_accepting(self) -> None:
        """Close the listening socket here; a process that shares it goes on accepting.

        First let the event loop accept what is queued: closing an unshared socket resets what waits in it.
        """
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        if self._listening is not None:
            self._listening.close()

    def close_idle(self, grace: float) -> int:
        """Close what is idle for `grace` seconds; how many connections are left."""
        for connection in self.connections():
            connection.close_if_idle(grace)
        return len(self.server_state.connections)

    def close_expired(self) -> None:
        """Close what was kept alive for longer than the limit without a request."""
        for connection in self.connections():
            connection.close_if_expired()

    def abort_all(self) -> None:
        """Cut what is left."""
        for connection in self.connections():
            connection.abort()


def bind(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
