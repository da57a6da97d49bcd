"""The audit as the event loop sees it: admits requests while rows can be written, and takes their rows."""

from __future__ import annotations

import asyncio
from pathlib import Path

from serving.gateway.audit.beginning import Note
from serving.gateway.audit.config import AuditConfig
from serving.gateway.audit.content import MasterKeyUnusable, SubjectKeys, load_master_key
from serving.gateway.audit.resting import Resting
from serving.gateway.audit.retention import Retention
from serving.gateway.audit.rows import Record
from serving.gateway.audit.signing import SigningKeyUnusable, load_signer
from serving.gateway.audit.store import ChainStore
from serving.gateway.audit.tap import PLAIN, Plain, Tap
from serving.gateway.audit.writer import Writer
from serving.gateway.config import ConfigProblem
from serving.gateway.facts import RequestFacts
from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.strict import problem

# A row waits longer than this only if the disk hangs; then the answer must not.
_DURABLE_SECONDS = 10.0
# Of text that waits to be encrypted.
_CONTENT_BYTES = 64 * 1024 * 1024
_RETRY_AFTER = b"5"

_UNAVAILABLE = Refusal(
    503,
    "audit_unavailable",
    four_parts(
        "audit",
        "no room or no way to write this request's row",
        "requests whose row will be kept",
        "Try again after the seconds in Retry-After; the gateway's operator sees the cause in its log and metrics.",
    ),
    kind="api_error",
    retry_after=_RETRY_AFTER,
)


class AuditLog:
    """One opened audit. `admit` before a request is forwarded, `finish` once when it has ended."""

    def __init__(self, config: AuditConfig, writer: Writer) -> None:
        self.config = config
        self.writer = writer
        # Of text, per request and per answer; 0: none is kept.
        self.kept_bytes = config.content_bytes if config.content == "encrypted" else 0
        self.every_row = config.sync == "every_row"
        # A reload put another in its place: rows of what began before come here until none is left.
        self.successor: AuditLog | None = None
        self.held_by_object_store = False
        self.give_up_waiting = False
        self._taps = self.every_row or self.kept_bytes > 0
        self._reserved = 0
        self._content_added = 0
        self._closed = False

    @property
    def reserved(self) -> int:
        """Requests that run and will leave a row."""
        return self._reserved

    def admit(self, context: RequestFacts) -> Plain | Tap:
        """Hold room for this request's row, or refuse it."""
        writer = self.writer
        if (
            not writer.available
            or self.held_by_object_store
            or self._reserved + writer.unwritten() >= self.config.queue_rows
            or self._content_added - writer.content_done > _CONTENT_BYTES
        ):
            raise _UNAVAILABLE
        self._reserved += 1
        return Tap(context, self) if self._taps else PLAIN

    def finish(self, context: RequestFacts, duration: float, slot: Plain | Tap | None) -> None:
        """The request has ended: its row, unless it is written already and still true."""
        writer = self.writer
        if slot is None:
            self._finish_refused(context, duration)
            return
        self._reserved -= 1
        tap = None
        if type(slot) is Tap:
            tap = slot
            if tap.recorded == (context.status, context.reason):
                return
            self._content_added += tap.size
        rows = writer.admitted
        rows.append(Record(context, duration, tap, None))
        if len(rows) == 1:
            writer.wake()

    async def record_now(self, context: RequestFacts, duration: float, tap: Tap) -> None:
        """The row before the end of its answer: returns when it is on disk, refuses when it cannot be."""
        durable: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._content_added += tap.size
        self.writer.admitted.append(Record(context, duration, tap, durable))
        self.writer.hurry()
        try:
            async with asyncio.timeout(_DURABLE_SECONDS):
                if await durable:
                    return
        except TimeoutError:
            pass
        raise _UNAVAILABLE

    async def close(self) -> bool:
        """Everything to disk, the segment closed. False when rows were lost."""
        self._closed = True
        return await asyncio.to_thread(self.writer.stop)

    def _finish_refused(self, context: RequestFacts, duration: float) -> None:
        """No room was held for it: never a 2xx. Kept as long as there is room in memory, otherwise counted."""
        if self._closed and self.successor is not None:
            self.successor._finish_refused(context, duration)
            return
        rows = self.writer.refused
        if len(rows) >= self.config.queue_rows:
            self.writer.omitted += 1
            return
        rows.append(Record(context, duration, None, None))
        if len(rows) == 1:
            self.writer.wake()


def open_audit(config: AuditConfig, note: Note) -> AuditLog:
    """Open the files and start the writer. Raises ConfigProblem."""
    folder = Path(config.folder)
    where = "folder"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        where = "signing_key_file"
        signer = load_signer(Path(config.signing_key_file) if config.signing_key_file else folder / "signing.key")
        where = "subject_keys.master_key_file"
        keys = None
        if config.content == "encrypted" and config.subject_keys is not None:
            master = load_master_key(Path(config.subject_keys.master_key_file), create=True)
            keys = SubjectKeys(Path(config.subject_keys.folder), master)
        where = "folder"
        store = ChainStore(
            folder,
            signer,
            note,
            segment_bytes=config.segment_bytes,
            segment_seconds=config.longest_segment(),
            head_seconds=config.head_seconds,
        )
        writer = Writer(
            store,
            note,
            keys,
            flush_seconds=config.flush_milliseconds / 1000,
            reserve_bytes=config.reserve_bytes,
        )
        retention = Retention(
            Resting(folder, signer, note),
            days=config.retention_days,
            most_bytes=config.folder_bytes,
            sent_only=config.object_store is not None,
        )
        # Only where there is something to do: each look at the folder makes rows wait.
        if config.object_store is not None or config.retention_days is not None or config.folder_bytes is not None:
            writer.housekeeping = retention.apply
        if config.folder_bytes is not None:
            writer.make_room = retention.make_room
        writer.open()
    except OSError as error:
        raise audit_problem(where, error.strerror or type(error).__name__) from None
    except SigningKeyUnusable:
        raise audit_problem("signing_key_file", "no Ed25519 key in PEM") from None
    except MasterKeyUnusable:
        raise audit_problem("subject_keys.master_key_file", "no 64 hex digits") from None
    writer.start()
    return AuditLog(config, writer)


def audit_problem(field: str, found: str) -> ConfigProblem:
    """The audit cannot be opened as configured."""
    allowed = "files and folders that this user can use, with what slipway or you wrote there"
    return ConfigProblem([problem(f"audit.{field}", found, allowed, "Correct the path, its content or permissions.")])
