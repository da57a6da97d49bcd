"""Where a process that starts continues: a chain that nobody writes, its torn end cut off, or a new chain."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serving.gateway.audit import disk
from serving.gateway.audit.chain import Chain
from serving.gateway.audit.segments import ChainLock, Tail, chains_in, index_of, last_head, read_tail

Note = Callable[..., None]
"""Journal.note: (event, level, **fields)."""


@dataclass
class Beginning:
    """A chain that is ours now. `segment` goes on after `durable` bytes; None: the next one is begun."""

    lock: ChainLock
    chain: Chain
    index: int = 0
    segment: Path | None = None
    durable: int = 0
    torn_bytes: int = 0
    torn_sha256: str | None = None


def choose(folder: Path, note: Note) -> Beginning:
    """The free chain that rested longest, so that the chains of several processes are all used again. OSError."""
    for name in sorted(chains_in(folder), key=lambda name: _moment(folder, name)):
        taken = take(folder, name, note)
        if taken is not None:
            return taken
    name = secrets.token_hex(4)
    lock = ChainLock(folder, name)
    if not lock.take():
        raise BlockingIOError("a new chain's name is taken")
    return Beginning(lock, Chain(name))


def take(folder: Path, name: str, note: Note) -> Beginning | None:
    """This chain; None where another process writes it, or where it cannot go on. Raises OSError."""
    lock = ChainLock(folder, name)
    if not lock.take():
        return None
    adopted = None
    try:
        segments = chains_in(folder).get(name, [])
        adopted = _adopt(folder, name, segments, lock, note) if segments else None
    finally:
        if adopted is None:
            lock.release()
    return adopted


def _adopt(folder: Path, name: str, segments: list[Path], lock: ChainLock, note: Note) -> Beginning | None:
    last = segments[-1]
    before = read_tail(segments[-2], Tail()) if len(segments) > 1 else Tail()
    tail = read_tail(last, before)
    head = last_head(folder, name)
    signed = int(head["seq"]) if head is not None else 0
    follows = before.closed if len(segments) > 1 else tail.seq > 0 or signed == 0
    if not follows or signed > tail.seq or (tail.closed and tail.torn):
        # Not torn by a crash: this was signed, so it was on disk. It stays as it is, for `verify` to find.
        note("audit_chain_broken", "error", chain=name)
        return None
    beginning = Beginning(lock, Chain(name, tail.seq + 1, tail.hash), index_of(last))
    if tail.closed:
        return beginning
    beginning.torn_bytes = tail.torn
    beginning.torn_sha256 = _keep_torn(last, tail)
    if tail.bytes == 0:
        beginning.index -= 1  # torn before its first line: made again
        return beginning
    beginning.segment = last
    beginning.durable = tail.bytes
    note("audit_resumed", "warning", chain=name, torn_bytes=tail.torn)
    return beginning


def _keep_torn(segment: Path, tail: Tail) -> str | None:
    """What is cut off a torn segment is evidence, not rubbish: it goes to a file of its own."""
    if not tail.torn:
        return None
    with segment.open("rb") as file:
        file.seek(tail.bytes)
        torn = file.read()
    disk.replace(segment.with_name(f"{segment.stem}-{time.time_ns()}.torn"), torn)
    return hashlib.sha256(torn).hexdigest()


def _moment(folder: Path, chain: str) -> str:
    head = last_head(folder, chain)
    return str(head["time"]) if head else ""
