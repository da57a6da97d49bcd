"""A file beside the audit of a site of this machine, which outlives generations and which no deployment writes."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from infra.platforms.local.private_files import explained, make_private, write_private


def text_of(file: Path) -> str | None:
    """None where there is none; empty where it cannot be read as text."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return ""


def change(file: Path, to: Callable[[str | None], str]) -> None:
    """Under a lock: what somebody else writes meanwhile is not lost. Raises Refused, and then nothing has changed."""
    with explained(file.parent):
        make_private(file.parent)
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            write_private(file, to(text_of(file)).encode())
