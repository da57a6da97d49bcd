"""Folders and files for this user only, and what the file system refuses, said as a problem."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from infra.problems import Problem, Refused


def make_private(folder: Path) -> None:
    """The folder and those above it; what is new is for this user only."""
    if not folder.is_dir():
        if folder.parent != folder:
            make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    partial.replace(path)


@contextmanager
def explained(directory: Path) -> Generator[None]:
    """What the file system refuses, said as a problem."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or directory)
        raise Refused(
            f"what is written below {directory}",
            [
                Problem(
                    where=where,
                    found=(error.strerror or "an unusable folder").lower(),
                    allowed="a folder that this user can write, with room on its disk",
                    remedy="make room or correct the permissions, then run it again",
                )
            ],
        ) from None
