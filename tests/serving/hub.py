"""A small stand-in for a Hugging Face server: serves one file as told, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.serving.listening import listening


@dataclass
class Hub:
    """What it serves and how; `asked` has each request's path, range and authorization."""

    content: bytes
    status: int = 200
    # The token that it wants, if any.
    token: str | None = None
    # Where it sends everyone, as a large file's repository does.
    elsewhere: str | None = None
    # Breaks the connection once, after so many bytes.
    breaks_after: int | None = None
    asked: list[dict[str, str | None]] = field(default_factory=list)
    url: str = ""

    @property
    def ranges(self) -> list[str | None]:
        return [request["range"] for request in self.asked]

    @property
    def tokens(self) -> list[str | None]:
        return [request["authorization"] for request in self.asked]


@contextmanager
def hub(content: bytes, **behaviour: object) -> Iterator[Hub]:
    """Runs one on a port of its own."""
    served = Hub(content, **behaviour)  # pyright: ignore[reportArgumentType]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

        def do_GET(self) -> None:
            asked = {"path": self.path, "range": self.headers["range"], "authorization": self.headers["authorization"]}
            served.asked.append(asked)
            if served.token and asked["authorization"] != f"Bearer {served.token}":
                return self._head(401, 0)
            if served.status != 200:
                return self._head(served.status, 0)
            if served.elsewhere:
                return self._head(302, 0, location=served.elsewhere + self.path)
            begin = int(asked["range"].removeprefix("bytes=").removesuffix("-")) if asked["range"] else 0
            if begin and begin >= len(served.content):
                return self._head(416, 0)
            rest = served.content[begin:]
            self._head(206 if begin else 200, len(rest))
            if served.breaks_after is not None:
                self.wfile.write(rest[: served.breaks_after])
                served.breaks_after, self.close_connection = None, True
                return None
            self.wfile.write(rest)
            return None

        def _head(self, status: int, length: int, **headers: str) -> None:
            self.send_response(status)
            self.send_header("content-length", str(length))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

    with listening(Handler) as url:
        served.url = url
        yield served
