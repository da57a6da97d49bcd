"""Lists of allowed addresses, and the one strict way in which a URL is read before it is compared with them.

Whoever opens the URL later may read it in another way than this file; that is how such lists are fooled. So only
URLs that everybody reads alike can be allowed: http or https, a plain ASCII host without user information, at most a
port, and then the end or a path. No back slash, no white space, nothing that is not ASCII (names of other scripts are
written `xn--…`). Everything else is not allowed, whatever the list says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# ASCII: without it, ignoring case would take the Kelvin sign for a k and a long s for an s.
_HOST = r"\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?"
_URL = re.compile(rf"(https?)://({_HOST})(?::([0-9]{{1,5}}))?(?:/[\x21-\x5b\x5d-\x7e]*)?", re.ASCII | re.IGNORECASE)
_ENTRY = re.compile(rf"(?:(https?)://)?(\*\.)?({_HOST})(?::([0-9]{{1,5}}))?", re.ASCII | re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}

BY_VALUE = "data:"

Origin = tuple[str, str, int]
"""Scheme, host and port."""


def read_url(url: str) -> Origin | None:
    """Where `url` points; None when not everybody would read it alike."""
    match = _URL.fullmatch(url)
    return _origin(match[1], match[2], match[3]) if match else None


class AllowedAddresses:
    """One list. Entries: `HOST` (https at its usual port), `*.HOST` (names below it, not itself), either of them with
    `http://` or `https://` in front and `:PORT` behind; `data:` for what comes by value."""

    __slots__ = ("_below", "_exact", "by_value")

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises ValueError for an entry that is none."""
        self.by_value = False
        self._exact: set[Origin] = set()
        self._below: list[Origin] = []
        for entry in entries:
            if entry == BY_VALUE:
                self.by_value = True
                continue
            match = _ENTRY.fullmatch(entry)
            if match is None:
                raise ValueError(entry)
            origin = _origin(match[1] or "https", match[3], match[4])
            if match[2]:
                self._below.append((origin[0], f".{origin[1]}", origin[2]))
            else:
                self._exact.add(origin)

    def allows(self, url: str) -> bool:
        """Whether `url` may be given on."""
        if url[: len(BY_VALUE)].lower() == BY_VALUE:
            return self.by_value
        origin = read_url(url)
        if origin is None:
            return False
        scheme, host, port = origin
        return origin in self._exact or any(
            scheme == known and port == at and host.endswith(below) for known, below, at in self._below
        )


def _origin(scheme: str, host: str, port: str | None) -> Origin:
    scheme = scheme.lower()
    return scheme, host.lower(), int(port) if port else _PORTS[scheme]
