"""The gateway's listening sockets: bound once, then handed from one generation to the next.

A generation offers its sockets on a Unix socket in its folder. The next one takes them (SCM_RIGHTS), starts everything
of its own, and only when it serves tells the former to retire. If it fails before that, nothing has changed.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from serving.launcher.refusal import Refusal

CONTROL = "control.sock"
BACKLOG = 2048
TAKE, RETIRE = b"take", b"retire"
TIMEOUT_SECONDS = 10.0

Address = tuple[str, int]


def bind(address: Address) -> socket.socket:
    """A listening socket. Raises Refusal that names who holds the port."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise _refused(address, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(address, error) from None
    listener.setblocking(False)
    return listener


class Predecessor:
    """The generation before this one, as far as it still answers."""

    def __init__(self, connection: socket.socket, listeners: Mapping[Address, socket.socket]) -> None:
        self._connection, self.listeners = connection, dict(listeners)

    @classmethod
    def connect(cls, control: Path) -> Predecessor | None:
        """Takes its sockets; None when it is gone. `control` is kept short: a Unix path has about 100 bytes."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_SECONDS)
        try:
            connection.connect(str(control))
            connection.sendall(TAKE)
            message, descriptors, _, _ = socket.recv_fds(connection, 4096, 8)
            addresses = [(str(host), int(port)) for host, port in json.loads(message)]
        except (OSError, ValueError):
            connection.close()
            return None
        listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        for listener in listeners:
            listener.setblocking(False)
        return cls(connection, dict(zip(addresses, listeners, strict=True)))

    def listener(self, address: Address) -> socket.socket:
        """Its socket for an address, or a new one where it had none."""
        return self.listeners.pop(address, None) or bind(address)

    def retire(self) -> None:
        """It stops accepting, finishes what it has, and ends."""
        with suppress(OSError):  # it has died meanwhile
            self._connection.sendall(RETIRE)
        self.close()

    def close(self) -> None:
        """Leaves it as it was."""
        self._connection.close()
        for listener in self.listeners.values():
            listener.close()


async def offer(listeners: Mapping[Address, socket.socket], retired: Callable[[], None]) -> asyncio.Server:
    """Offers these sockets to a successor; `retired` is called when one serves. Works in the current directory."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while command := await reader.read(64):
            if command == TAKE:
                # A second handle to the connection, because descriptors cannot be sent through a stream.
                connection: socket.socket = writer.get_extra_info("socket").dup()
                with connection:
                    message = json.dumps(list(listeners)).encode()
                    socket.send_fds(connection, [message], [listener.fileno() for listener in listeners.values()])
            elif command == RETIRE:
                retired()
        writer.close()

    Path(CONTROL).unlink(missing_ok=True)
    return await asyncio.start_unix_server(answer, CONTROL)


def _refused(address: Address, error: OSError) -> Refusal:
    host, port = address
    if error.errno == errno.EADDRINUSE:
        return Refusal(
            where=f"{host}:{port}",
            found=f"in use by {_holder(port)}",
            allowed="a free port",
            remedy="end that program, or set another `listen.port` (or `operations_port`, `admin_port`) for the site",
        )
    if error.errno == errno.EACCES:
        return Refusal(
            where=f"{host}:{port}",
            found="no permission to listen there",
            allowed="a port from 1024 on, for a user who is not root",
            remedy="set another `listen.port` for the site",
        )
    return Refusal(
        where=f"{host}:{port}",
        found=f"cannot listen there: {error.strerror}",
        allowed="an address of this machine",
        remedy="set another `listen.address` for the site",
    )


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another program"
