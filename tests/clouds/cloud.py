"""A stand-in for a cloud: what exists in it is in one file, which every plugin process of a test shares.

It can be told to refuse the k-th creation, and tests change or count what is in it as a person with a console would.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Thing = dict[str, Any]


class Cloud:
    """The cloud in a file. Things are by their address, `type id`: ids are unique within a type only."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextlib.contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """What is in it, written back at the end; nobody else reads or writes meanwhile."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with open(self._file, "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            held = json.loads(file.read() or '{"things": {}, "creations": 0, "refused": [], "kept": []}')
            yield held
            file.seek(0)
            file.truncate()
            json.dump(held, file)

    def things(self) -> dict[str, Thing]:
        with self.change() as held:
            return held["things"]

    def of_type(self, kind: str) -> list[Thing]:
        return [thing for thing in self.things().values() if thing["type"] == kind]

    def refuse(self, *creations: int | str) -> None:
        """Refuse these creations, counted from now on from 1, or by logical name; none: refuse no more."""
        with self.change() as held:
            held["creations"], held["refused"] = 0, list(creations)

    def creations(self) -> int:
        """How many were asked for since `refuse` was called, or since the beginning."""
        with self.change() as held:
            return held["creations"]
