"""Where things are in this checkout, and whether they can be written: folders, room on the disk, one tool at a time."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.problem import Problem

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin" / "python")
TOOLS = ROOT / ".tools"
LOCAL = ROOT / ".slipway"  # what a local deployment writes; never shared, so mode 0700

MEBIBYTE = 1 << 20


def require_room(folder: Path, mebibytes: int, purpose: str) -> None:
    """Stop before anything is written unless `folder` can be made and written and has that much room."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise Problem(
            where=str(folder),
            found=f"{existing} cannot be written by you (user id {os.geteuid()})",
            allowed="a checkout that you may write: everything is kept inside it",
            do=f"Make it yours (sudo chown -R $(id -u) '{existing}') or clone the repository where you may write.",
        )
    room = os.statvfs(existing)
    free = room.f_bavail * room.f_frsize // MEBIBYTE
    if free < mebibytes:
        raise Problem(
            where=str(folder),
            found=f"{free} MiB of free disk space",
            allowed=f"at least {mebibytes} MiB for {purpose}",
            do="Free some space on that file system (or move the checkout to a bigger one), then run it again.",
        )


def private_folder(folder: Path) -> Path:
    """Make `folder` for its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner only, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_folder(home: Path, finished: Path) -> None:
    """Put a finished folder into place in one step; an incomplete one there before makes room."""
    if home.exists():
        old = home.with_name(f".{home.name}.{os.getpid()}.old")
        home.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    finished.rename(home)


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Hold a lock of this checkout, so that two `make` at once do not install into the same folder."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with open(TOOLS / f".{name}.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"slipway: waiting for another process that installs {name} here …", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
