"""Digests of what a tuning reads and writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tuning.settings import Unusable


def digest(place: Path) -> str:
    """Of a file; of a folder, of its files and their names. Raises Unusable."""
    files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
    found = hashlib.sha256()
    try:
        for file in files:
            with file.open("rb") as opened:
                one = hashlib.file_digest(opened, "sha256").hexdigest()
            if not place.is_dir():
                return one
            found.update(f"{one}  {file.relative_to(place)}\n".encode())
    except OSError as why:
        raise Unusable(f"base: {why}") from None
    return found.hexdigest()


def together(digests: Mapping[str, str]) -> str:
    """Of the data of all sites, by their names: nobody has all of it."""
    listed = "".join(f"{one}  {site}\n" for site, one in sorted(digests.items()))
    return hashlib.sha256(listed.encode()).hexdigest()
