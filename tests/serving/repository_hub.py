"""A small stand-in for a Hugging Face server: lists a repository's files as its API does, in pages, and serves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.serving.listening import listening

REPO, REVISION = "example/model", "1" * 40


@dataclass
class RepositoryHub:
    """`files` by path; those above `large` bytes are kept as LFS does. `listed` are added to the list as they are."""

    files: dict[str, bytes]
    large: int = 100
    listed: list[dict[str, Any]] = field(default_factory=list)
    # Served instead of what was listed.
    instead: dict[str, bytes] = field(default_factory=dict)
    token: str | None = None
    # How often a file's connection breaks in the middle.
    breaks: dict[str, int] = field(default_factory=dict)
    page: int = 2
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    url: str = ""

    def entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"type": "directory", "path": "folder", "oid": "0" * 40, "size": 0}]
        for path, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, Any] = {"type": "file", "path": path, "oid": blob, "size": len(content)}
            if len(content) > self.large:
                pointer = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
                entry |= {"oid": "f" * 40, "lfs": pointer}
            found.append(entry)
        return [*found, *self.listed]


@contextmanager
def repository_hub(files: dict[str, bytes], **behaviour: Any) -> Iterator[RepositoryHub]:
    """Runs one on a port of its own."""
    served = RepositoryHub(files, **behaviour)
    tree, resolve = f"/api/models/{REPO}/tree/{REVISION}", f"/{REPO}/resolve/{REVISION}/"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            served.asked.append(path)
            if served.token and self.headers["authorization"] != f"Bearer {served.token}":
                return self._send(401, b"")
            if path == tree:
                return self._list(query)
            name = path.removeprefix(resolve)
            if not path.startswith(resolve) or name not in {**served.files, **served.instead}:
                return self._send(404, b"")
            return self._file(name)

        def _list(self, query: str) -> None:
            begin = int(query.partition("cursor=")[2] or 0)
            entries = served.entries()
            following = begin + served.page
            headers = {}
            if following < len(entries):
                headers["link"] = f'<{served.url}{tree}?recursive=true&cursor={following}>; rel="next"'
            self._send(200, json.dumps(entries[begin:following]).encode(), headers)

        def _file(self, name: str) -> None:
            content = served.instead.get(name, served.files.get(name, b""))
            begin, end, whole = 0, len(content), len(content)
            if self.headers["range"]:
                served.ranges.append(self.headers["range"])
                first, _, last = self.headers["range"].removeprefix("bytes=").partition("-")
                begin, end = int(first), int(last) + 1 if last else end
            if begin and begin >= len(content):
                return self._send(416, b"")
            rest = content[begin:end]
            if served.breaks.get(name):
                served.breaks[name] -= 1
                self.close_connection = True
                self.send_response(206 if begin else 200)
                self.send_header("content-length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest[: len(rest) // 2])
                return None
            said = {"content-range": f"bytes {begin}-{end - 1}/{whole}"}
            return self._send(206 if self.headers["range"] else 200, rest, said)

        def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with listening(Handler) as url:
        served.url = url
        yield served
