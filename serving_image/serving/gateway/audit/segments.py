"""The files of a chain: their names, who writes them, and where the good part of a segment ends."""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

from serving.gateway.audit.chain import GENESIS, hash_of, read_line
from serving.gateway.audit.signing import read_head

_SEGMENT = re.compile(r"([0-9a-f]{8})-([0-9]{8})\.jsonl")


def segment_file(folder: Path, chain: str, index: int) -> Path:
    """The file of one segment; the first has index 1."""
    return folder / f"{chain}-{index:08d}.jsonl"


def head_file(folder: Path, chain: str) -> Path:
    """The last signed head of a chain."""
    return folder / f"{chain}.head"


def reserve_file(folder: Path, chain: str) -> Path:
    """Room held back on the disk."""
    return folder / f"{chain}.reserve"


def sent_file(segment: Path) -> Path:
    """Stands beside a closed segment whose copy is in the object store."""
    return segment.with_suffix(".sent")


def is_closed(segment: Path) -> bool:
    """Whether its last line says that it is whole."""
    with segment.open("rb") as file:
        file.seek(max(0, segment.stat().st_size - 4096))
        last = file.read().removesuffix(b"\n").rpartition(b"\n")[2]
    return b'"kind":"close"' in last


def index_of(segment: Path) -> int:
    """The index in a segment's name."""
    return int(segment.stem[9:])


def chains_in(folder: Path) -> dict[str, list[Path]]:
    """All chains of a folder and their segments in order, also those of which only the head is left."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _SEGMENT.fullmatch(path.name)
        if match:
            found.setdefault(match[1], []).append(path)
        elif path.suffix == ".head":
            found.setdefault(path.stem, [])
    return found


def last_head(folder: Path, chain: str) -> dict[str, str | int] | None:
    """What the chain's head file says, unchecked."""
    try:
        return read_head(head_file(folder, chain).read_bytes())
    except OSError:
        return None


class ChainLock:
    """One process at a time writes a chain. The kernel drops the lock with the process, however it ends."""

    def __init__(self, folder: Path, chain: str) -> None:
        self._path = folder / f"{chain}.lock"
        self._descriptor = -1

    def take(self) -> bool:
        """False when another process has it. Raises OSError."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Let others write."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_being_written(folder: Path, chain: str) -> bool:
    """Whether a process holds the chain's lock now. Takes nothing and creates nothing."""
    try:
        descriptor = os.open(folder / f"{chain}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


@dataclass
class Tail:
    """The good part of a segment: up to `bytes`, where line `seq` with `hash` ends. `closed`: it has its last line."""

    bytes: int = 0
    seq: int = 0
    hash: str = GENESIS
    closed: bool = False
    torn: int = 0


def read_tail(segment: Path, before: Tail) -> Tail:
    """Follow the chain through a segment as far as it holds; `before` is where it should begin (seq 0: anywhere)."""
    tail = Tail(0, before.seq, before.hash)
    with segment.open("rb") as file:
        for raw in file:
            line = raw.removesuffix(b"\n")
            fields = read_line(line) if len(line) < len(raw) else None
            begins = tail.bytes == 0 and before.seq == 0
            if fields is None or tail.closed:
                break
            if not begins and (fields["seq"] != tail.seq + 1 or fields["prev"] != tail.hash):
                break
            tail.bytes += len(raw)
            tail.seq = fields["seq"]
            tail.hash = hash_of(line)
            tail.closed = fields["kind"] == "close"
    tail.torn = segment.stat().st_size - tail.bytes
    return tail
