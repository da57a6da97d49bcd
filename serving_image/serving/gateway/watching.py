"""Looks every few seconds whether the configuration is another one: the way to reload where nobody can signal."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path


async def watch(
    digest_of: Callable[[Path], str | None],
    path: Path,
    seconds: float,
    digest: str | None,
    changed: Callable[[], object],
) -> None:
    """Call `changed` when the content is another than last time (`digest`: of the first). Until cancelled.

    By content, not by time: a mounted ConfigMap swaps links, and an editor may write twice. What cannot be read is
    not a change.
    """
    while True:
        await asyncio.sleep(seconds)
        found = await asyncio.to_thread(digest_of, path)
        if found is not None and found != digest:
            digest = found
            changed()


def digest_of_file(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None
