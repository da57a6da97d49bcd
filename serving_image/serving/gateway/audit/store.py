"""Keeps one chain in files: appends, makes durable, closes segments, signs heads, and mends what a crash tore.

Everything here runs on the writer's thread (and once before it starts), and everything may raise OSError: what was
added stays in memory until it is durable, so the caller only has to try again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import orjson

from serving.gateway.audit import disk
from serving.gateway.audit.beginning import Beginning, Note, choose, take
from serving.gateway.audit.chain import Chain, ChainEnd
from serving.gateway.audit.clock import rfc3339
from serving.gateway.audit.segments import ChainLock, chains_in, head_file, last_head, reserve_file, segment_file
from serving.gateway.audit.signing import Signer


class ChainStore:
    """One chain on disk, this process its only writer."""

    def __init__(
        self,
        folder: Path,
        signer: Signer,
        note: Note,
        *,
        segment_bytes: int,
        segment_seconds: float,
        head_seconds: float,
    ) -> None:
        self.folder = folder
        self.rows_unsynced = 0
        # Replaced whole, because another thread reads it.
        self.end: ChainEnd | None = None
        self._signer = signer
        self._note = note
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._head_seconds = head_seconds
        self._chain = Chain("")
        self._lock: ChainLock | None = None
        self._path = folder
        self._index = 0
        self._descriptor = -1
        # Of the segment: bytes that are certainly on disk, and bytes not certainly there, kept to be written again.
        self._durable = 0
        self._unsynced: list[bytes] = []
        self._written = 0
        # The segment's last line was added; it is on disk and the next segment is not there yet.
        self._closing = False
        self._ended = True
        self._first_number = 0
        self._segment_since = 0.0
        self._head_at = 0.0
        self._head_number = 0

    @property
    def chain(self) -> str:
        """The chain's name."""
        return self._chain.name

    @property
    def next_number(self) -> int:
        """The number that the next line will have."""
        return self._chain.next

    def open(self) -> None:
        """Take a chain that nobody writes, mend its end, or begin a new one."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._lock is None:
            self._begin(choose(self.folder, self._note))
        self.commit()
        self.sign_head()

    def resume(self, chain: str) -> bool:
        """Take this chain instead; False where another process writes it, or where it cannot go on."""
        taken = take(self.folder, chain, self._note)
        if taken is None:
            return False
        self._begin(taken)
        self.commit()
        self.sign_head()
        return True

    def add(self, fields: dict[str, Any]) -> bytes:
        """Append a line; not on disk before `commit`."""
        line = self._chain.line(fields)
        self._unsynced.append(line + b"\n")
        self.rows_unsynced += 1
        return line

    def write(self) -> None:
        """Hand what was added to the kernel; not yet durable."""
        if self._written == len(self._unsynced):
            return
        data = b"".join(self._unsynced[self._written :])
        try:
            disk.write_all(self._descriptor, data)
        except OSError:
            self._step_back()
            raise
        self._written = len(self._unsynced)

    def commit(self) -> None:
        """Everything added is on disk when this returns, and a segment is open for more."""
        self._flush()
        if self._ended:
            self._begin_segment()
            self._flush()

    @property
    def settled(self) -> bool:
        """False while an earlier failure left something to `commit` before new lines may be added."""
        return not self._unsynced and not self._closing and not self._ended

    def _flush(self) -> None:
        if self._descriptor < 0 and not self._ended:
            self._reopen()
        if self._unsynced:
            self.write()
            try:
                disk.sync(self._descriptor)
            except OSError:
                # After a failed fsync the kernel may call lost pages clean: they are written again, not synced again.
                self._step_back()
                raise
            self._durable += sum(map(len, self._unsynced))
            self._unsynced.clear()
            self._written = 0
            self.rows_unsynced = 0
            self.end = ChainEnd(self._chain.next - 1, self._chain.hash, self._index, time.time())
        if self._closing:
            os.close(self._descriptor)
            self._descriptor = -1
            self._closing = False
            self._ended = True

    def tend(self) -> bool:
        """Close a full or old segment, sign a head when it is time. True when a segment was closed."""
        if self._gone():
            self._note("audit_segment_gone", "error", file=self._path.name)
            self._step_back()
            self._reopen()
        now = time.monotonic()
        old = now - self._segment_since >= self._segment_seconds and self._chain.next > self._first_number + 1
        if old or self._durable >= self._segment_bytes:
            self.end_segment()
            self.commit()
            self.sign_head()
            return True
        if self._chain.next != self._head_number and now - self._head_at >= self._head_seconds:
            self.sign_head()
        return False

    def end_segment(self) -> None:
        """Write the segment's last line, which signs all lines before it."""
        if self._ended:
            return
        moment = rfc3339(time.time())
        head = self._signer.head(self.chain, self._chain.next - 1, self._chain.hash, moment)
        close = {"kind": "close", "time": moment, "chain": self.chain, "key": head["key"]}
        self.add({**close, "signature": head["signature"]})
        self._closing = True
        self._flush()

    def sign_head(self) -> None:
        """Write the chain's end, signed, beside it. Call only when everything is committed."""
        chain = self._chain
        head = self._signer.head(chain.name, chain.next - 1, chain.hash, rfc3339(time.time()))
        disk.replace(head_file(self.folder, chain.name), orjson.dumps(head) + b"\n")
        self._head_at = time.monotonic()
        self._head_number = chain.next
        self._note("audit_head", "info", **head)

    def close(self) -> None:
        """End the segment and let go of the chain."""
        self.end_segment()
        self.sign_head()
        self.let_go()

    def let_go(self) -> None:
        """Without another byte: files closed, reserve given back, lock released."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._lock is not None:
            reserve_file(self.folder, self.chain).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def current_segment(self) -> Path:
        """The segment that is being written: not to be sent or deleted."""
        return self._path

    @property
    def segment_size(self) -> int:
        """Bytes of it that are on disk."""
        return self._durable

    def _begin(self, chosen: Beginning) -> None:
        """See beginning.py."""
        self._lock = chosen.lock
        self._chain = chosen.chain
        self._index = chosen.index
        if chosen.segment is None:
            return
        self._path = chosen.segment
        self._durable = chosen.durable
        self._segment_since = time.monotonic()
        self._ended = False
        torn = {"torn_bytes": chosen.torn_bytes, "torn_sha256": chosen.torn_sha256}
        self.add({"kind": "resume", "time": rfc3339(time.time()), **torn})

    def _begin_segment(self) -> None:
        """The next file of the chain, with its first line."""
        path = segment_file(self.folder, self.chain, self._index + 1)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            disk.sync_folder(self.folder)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._path = path
        self._index += 1
        self._durable = 0
        self._ended = False
        self._segment_since = time.monotonic()
        self._first_number = self._chain.next
        fields = {"kind": "open", "time": rfc3339(time.time()), "version": 1, "chain": self.chain}
        self.add({**fields, "segment": self._index, "peers": self._peers()})

    def _peers(self) -> list[dict[str, Any]]:
        """Heads of the folder's other chains, written into this one: removing a whole chain is then noticed."""
        peers: list[dict[str, Any]] = []
        for name in chains_in(self.folder):
            head = last_head(self.folder, name) if name != self.chain else None
            if head is not None:
                peers.append({"chain": name, "seq": head["seq"], "hash": head["hash"]})
        return peers

    def _gone(self) -> bool:
        """Whether somebody removed the file that is being written."""
        if self._descriptor < 0:
            return False
        try:
            return os.stat(self._path).st_ino != os.fstat(self._descriptor).st_ino
        except FileNotFoundError:
            return True

    def _step_back(self) -> None:
        """What is not certainly on disk will be written again, from the last byte that is."""
        self._written = 0
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _reopen(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Never longer: a file that somebody shortened keeps its hole for `verify` to find, not one of zeros.
            self._durable = min(self._durable, os.fstat(descriptor).st_size)
            os.ftruncate(descriptor, self._durable)
            os.lseek(descriptor, 0, os.SEEK_END)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
