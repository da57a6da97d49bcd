"""The page's files, read once: all of the folder `page`, each by its path and with its type."""

from __future__ import annotations

from pathlib import Path

from serving.gateway.asgi import Header

_FOLDER = Path(__file__).with_name("page")
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
}
PageFiles = dict[str, tuple[Header, bytes]]


def read_page_files() -> PageFiles:
    """Content type and bytes by path; index.html is the page itself."""
    return {
        "/" if path.name == "index.html" else f"/{path.name}": (
            (b"content-type", _TYPES[path.suffix]),
            path.read_bytes(),
        )
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _TYPES
    }
