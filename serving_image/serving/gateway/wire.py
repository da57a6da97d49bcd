"""What a connection reads off and writes onto the wire beside requests and answers."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import ssl
import struct
import termios
from typing import Any
from urllib.parse import unquote

import httptools

from serving.gateway.asgi import REQUEST_ID_HEADER
from serving.gateway.context import next_request_id
from serving.gateway.identity.certificates import names_in
from serving.gateway.refusal import error_body, four_parts

# A gateway has few paths: parsing one costs ten times as much as finding it again (2026-11).
_MOST_PATHS, _LONGEST_PATH = 256, 128
_paths: dict[bytes, tuple[str, bytes]] = {}


def invalid_http(found: str) -> bytes:
    """The whole answer to what is not HTTP; the connection closes behind it."""
    message = four_parts("HTTP", found, "well-formed HTTP/1.1", "Correct the client or the proxy.")
    body = error_body(message, "invalid_request_error", None, "invalid_http")
    return (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b: %b\r\n"
        b"connection: close\r\n\r\n%b" % (len(body), REQUEST_ID_HEADER, next_request_id(), body)
    )


def feed(parser: httptools.HttpRequestParser, data: bytes) -> None:
    """Parse what arrived. Raises HttpParserError."""
    while data:
        try:
            parser.feed_data(data)
            return
        except httptools.HttpParserUpgrade as upgrade:
            # Not offered, so not answered: what follows is HTTP/1.1 as before.
            data = data[upgrade.args[0] :]


def send_without_delay(transport: asyncio.Transport) -> None:
    """Without it a small answer waits for the client's delayed ACK: 40 ms on kept-alive connections."""
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def certified_names(transport: asyncio.Transport) -> tuple[str, ...]:
    """The names in the certificate that the client showed and its authority vouched for; none without one."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    return names_in(tls.getpeercert()) if tls is not None else ()


def unread_bytes(transport: asyncio.Transport) -> bool:
    """Whether the kernel holds bytes that the event loop has not read yet: the start of a request."""
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is None:
        return False
    try:
        waiting = fcntl.ioctl(raw.fileno(), termios.FIONREAD, b"\0" * 4)
    except OSError:
        return False
    return struct.unpack("i", waiting)[0] > 0


def path_and_query(url: bytes) -> tuple[str, bytes]:
    """Path (percent-decoded) and query of a request's URL. Raises HttpParserError."""
    known = _paths.get(url)
    if known is None:
        known = _parsed(url)
        if len(_paths) < _MOST_PATHS and len(url) < _LONGEST_PATH:
            _paths[url] = known
    return known


def _parsed(url: bytes) -> tuple[str, bytes]:
    # Its stubs say that nothing in it is ever None.
    parsed: Any = httptools.parse_url(url)
    path: str = (parsed.path or b"").decode("ascii")
    return (unquote(path) if "%" in path else path), parsed.query or b""
