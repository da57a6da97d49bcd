"""The chain itself: lines of canonical JSON, each with its number and the hash of the line before it.

A line is what `orjson.dumps` makes of its fields, in the order they were put in; its hash is the SHA-256 of those
bytes, without the newline. A change to any line therefore breaks the `prev` of the next one.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, cast

import orjson

GENESIS = "0" * 64
"""`prev` of a chain's first line."""


class ChainEnd(NamedTuple):
    """A chain's last line that is certainly on disk, and since when (seconds of the wall clock)."""

    number: int
    hash: str
    segment: int
    at: float


class Chain:
    """The end of one chain: the next line's number, and the hash of the last line."""

    __slots__ = ("hash", "name", "next")

    def __init__(self, name: str, next_number: int = 1, last_hash: str = GENESIS) -> None:
        self.name = name
        self.next = next_number
        self.hash = last_hash

    def line(self, fields: dict[str, Any]) -> bytes:
        """Append: the new line's bytes, without newline."""
        # The same bytes as of one dictionary, without copying it.
        line = b'{"seq":%d,"prev":"%b",%b' % (self.next, self.hash.encode(), orjson.dumps(fields)[1:])
        self.hash = hashlib.sha256(line).hexdigest()
        self.next += 1
        return line


def hash_of(line: bytes) -> str:
    """The hash by which the next line names this one."""
    return hashlib.sha256(line).hexdigest()


def read_line(line: bytes) -> dict[str, Any] | None:
    """The fields of a line; None when it is not a line of a chain in its one canonical form."""
    try:
        fields: Any = orjson.loads(line)
        if type(fields) is not dict or orjson.dumps(fields) != line:
            return None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    known = cast("dict[str, Any]", fields)
    number, prev = known.get("seq"), known.get("prev")
    return known if type(number) is int and type(prev) is str and type(known.get("kind")) is str else None
