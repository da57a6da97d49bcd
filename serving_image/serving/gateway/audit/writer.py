"""The thread that turns records into rows on disk, many at a time, and says whether the audit can be relied on."""

from __future__ import annotations

import asyncio
import errno
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from serving.gateway.audit import disk
from serving.gateway.audit.beginning import Note
from serving.gateway.audit.chain import ChainEnd
from serving.gateway.audit.clock import rfc3339
from serving.gateway.audit.content import SubjectKeys, SubjectKeyUnusable
from serving.gateway.audit.rows import Record, content_of, fields_of, place_of
from serving.gateway.audit.segments import reserve_file
from serving.gateway.audit.store import ChainStore

# Rows made in one go. Between such groups the thread writes, which lets the event loop run: 64 rows are 0.3 ms.
_GROUP = 64
# Rows of refusals in one go: if the disk is full just then, they use the room held back for rows of what runs.
_REFUSED_AT_ONCE = 512
_IDLE_SECONDS = 1.0
_RETRY_SECONDS = 0.25
# How long the end of the process waits for a disk that refuses the last rows.
_LAST_TRY_SECONDS = 10.0

Listener = Callable[[list[bytes]], None]


class Writer:
    """One thread, one store. The event loop only appends to `admitted` and `refused` and reads the plain fields."""

    def __init__(
        self,
        store: ChainStore,
        note: Note,
        keys: SubjectKeys | None,
        *,
        flush_seconds: float,
        reserve_bytes: int,
    ) -> None:
        self.admitted: deque[Record] = deque()
        self.refused: deque[Record] = deque()
        self.available = False
        self.error = ""
        self.rows = 0
        self.content_done = 0
        self.lost = 0
        # Counted by the event loop while unavailable or over the bound; written into the chain as one row.
        self.omitted = 0
        self.listener: Listener | None = None
        # After a segment was closed, and before more is admitted.
        self.housekeeping: Callable[[ChainStore], None] | None = None
        self.make_room: Callable[[ChainStore], None] | None = None
        self._omitted_told = 0
        self._store = store
        self._note = note
        self._keys = keys
        self._flush_seconds = flush_seconds
        self._reserve_bytes = reserve_bytes
        self._opened = False
        self._failed_at = 0.0
        self._waiting: list[asyncio.Future[bool]] = []
        self._lines: list[bytes] = []
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stopping = False
        self._worker = threading.Thread(target=self._run, name="audit", daemon=True)

    @property
    def chain(self) -> str:
        """The name of the chain that is written."""
        return self._store.chain

    @property
    def end(self) -> ChainEnd | None:
        """The last line on disk; None while the chain could not be opened."""
        return self._store.end

    def open(self) -> None:
        """Open the chain; before the thread starts. A full disk is waited for, any other OSError is raised."""
        try:
            self._cycle()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                self._store.let_go()
                raise
            self._fail(error)

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def wake(self) -> None:
        """There is a row where none was."""
        self._wake.set()

    def hurry(self) -> None:
        """Somebody waits for a row to be on disk."""
        self._hurry.set()
        self._wake.set()

    def stop(self) -> bool:
        """Write what is left, close, end the thread. False when rows were lost. Blocks; call it off the loop."""
        self._stopping = True
        self.hurry()
        self._worker.join(_LAST_TRY_SECONDS + 5)
        return self.lost == 0 and not self._worker.is_alive()

    def unwritten(self) -> int:
        """Admitted rows that are not on disk yet."""
        return len(self.admitted) + self._store.rows_unsynced

    def _run(self) -> None:
        end = 0.0
        while True:
            self._wake.wait(_IDLE_SECONDS if self.available else _RETRY_SECONDS)
            self._wake.clear()
            if not self._stopping:
                # Collects a batch; a disk that refused is asked again soon, whatever the batches.
                self._hurry.wait(self._flush_seconds if self.available else min(self._flush_seconds, _RETRY_SECONDS))
            self._hurry.clear()
            stopping = self._stopping
            self._attempt()
            if not stopping:
                continue
            end = end or time.monotonic() + _LAST_TRY_SECONDS
            if self._opened and not self.admitted and self._store.settled and self._close():
                return
            if time.monotonic() > end:
                self.lost = max(1, self.unwritten())
                self._store.let_go()
                return
            time.sleep(0.05)

    def _close(self) -> bool:
        try:
            self._store.close()
        except OSError as error:
            self._fail(error)
            return False
        return True

    def _attempt(self) -> None:
        try:
            self._cycle()
            return
        except OSError as error:
            self._fail(error)
        # The disk may be full: give back what was held for this, and write the rows of what still runs.
        if self._opened:
            reserve_file(self._store.folder, self._store.chain).unlink(missing_ok=True)
            try:
                self._cycle(with_reserve=False)
            except OSError as error:
                self._fail(error)

    def _cycle(self, *, with_reserve: bool = True) -> None:
        store = self._store
        if not self._opened:
            store.open()
            self._opened = True
            if self.housekeeping is not None:
                self.housekeeping(store)
        if not store.settled:
            self._commit()
        self._take(self.admitted)
        if self.available or with_reserve:
            if self.make_room is not None:
                self.make_room(store)
            self._hold_back()
        if self.available:
            self._take(self.refused, _REFUSED_AT_ONCE)
            if self.refused:
                self._wake.set()
            self._tell_omitted()
        self._commit()
        if store.tend() and self.housekeeping is not None:
            self.housekeeping(store)

    def _hold_back(self) -> None:
        if self.available:
            return
        disk.hold_back(reserve_file(self._store.folder, self._store.chain), self._reserve_bytes)
        self._commit()
        if self._failed_at:
            fields = {"kind": "interruption", "time": rfc3339(time.time()), "since": rfc3339(self._failed_at)}
            self._store.add({**fields, "error": self.error})
            self._commit()
            self._note("audit_available", "warning", since=rfc3339(self._failed_at))
        self._failed_at = 0.0
        self.error = ""
        self.available = True

    def _tell_omitted(self) -> None:
        omitted = self.omitted
        if omitted != self._omitted_told:
            count = omitted - self._omitted_told
            self._store.add({"kind": "omitted", "time": rfc3339(time.time()), "refusals": count})
            self._omitted_told = omitted

    def _commit(self) -> None:
        self._store.commit()
        if self._lines and self.listener is not None:
            self.listener(self._lines)
        self._lines = []
        self._settle(True)

    def _fail(self, error: OSError) -> None:
        self._settle(False)
        name = errno.errorcode.get(error.errno or 0, "EIO")
        if self.available or not self._failed_at:
            self._failed_at = time.time()
            self._note("audit_unavailable", "error", error=name, waiting=self.unwritten())
        self.available = False
        self.error = name

    def _settle(self, durable: bool) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        loop = waiting[0].get_loop()
        try:
            loop.call_soon_threadsafe(_resolve, waiting, durable)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _take(self, records: deque[Record], most: int = sys.maxsize) -> None:
        taken = 0
        while records and taken < most:
            self._add(records.popleft())
            taken += 1
            if taken % _GROUP == 0:
                self._store.write()

    def _add(self, record: Record) -> None:
        store = self._store
        fields = fields_of(record)
        if self._keys is not None and record.tap is not None:
            place = place_of(store.chain, store.next_number)
            try:
                fields["content"] = content_of(record, self._keys, place)
            except (OSError, SubjectKeyUnusable) as error:
                # The row is worth more than its text.
                fields["content"] = None
                self._note("audit_content_not_kept", "error", error=type(error).__name__)
            self.content_done += record.tap.size
        line = store.add(fields)
        self.rows += 1
        if self.listener is not None:
            self._lines.append(line)
        if record.durable is not None:
            self._waiting.append(record.durable)


def _resolve(waiting: list[asyncio.Future[bool]], durable: bool) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(durable)


def note_on(loop: asyncio.AbstractEventLoop | None, note: Note) -> Note:
    """The journal belongs to the event loop's thread."""

    def noted(event: str, level: str = "info", **fields: Any) -> None:
        if loop is None:
            note(event, level, **fields)
            return
        try:
            loop.call_soon_threadsafe(lambda: note(event, level, **fields))
        except RuntimeError:
            return

    return noted
