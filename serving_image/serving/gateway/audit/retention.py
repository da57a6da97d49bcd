"""Deletes whole closed segments that are older than the retention or that a full folder can spare, after a row that
says so."""

from __future__ import annotations

import errno
import heapq
import time
from collections.abc import Iterator
from pathlib import Path

from serving.gateway.audit import disk
from serving.gateway.audit.chain import hash_of, read_line
from serving.gateway.audit.clock import rfc3339
from serving.gateway.audit.resting import Resting
from serving.gateway.audit.segments import chains_in, sent_file
from serving.gateway.audit.store import ChainStore

_DAY = 86_400
# Each deletion in a chain that rests begins a segment there: not one for every segment that goes.
_LATE_SECONDS = _DAY
# A full folder is emptied to this share of what it may hold, so that it is not full again with the next segment.
_EMPTIED_TO = 0.9
# How often a folder that stays full is looked through.
_LOOK_SECONDS = 1.0


class Retention:
    """Of all chains that this process writes or that nobody does. First the row and a signed head, then the files:
    verify knows what went, and that it was this gateway that removed it."""

    def __init__(self, resting: Resting, *, days: float | None, most_bytes: int | None, sent_only: bool) -> None:
        self._resting = resting
        self._seconds = None if days is None else days * _DAY
        self._most_bytes = most_bytes
        self._sent_only = sent_only
        # Of all but the segment that is being written, when the folder was last looked through.
        self._closed_bytes: int | None = None
        self._looked_at = 0.0

    def apply(self, store: ChainStore) -> None:
        """A segment was closed: end what a crash left open, delete what is due. Raises OSError."""
        self._resting.close_ends()
        if self._seconds is not None:
            for chain, segments in chains_in(store.folder).items():
                self._retire(store, chain, self._due(store, chain, segments, self._seconds))
        self._closed_bytes = None

    def make_room(self, store: ChainStore) -> None:
        """Before more is admitted. Raises OSError (EDQUOT) while the folder is full and nothing in it may go."""
        most = self._most_bytes
        if most is None or (self._closed_bytes is not None and self._closed_bytes + store.segment_size <= most):
            return
        now = time.monotonic()
        if self._closed_bytes is None or now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            excess = self._look(store) - most
            if excess > 0 and self._sent_only:
                going: dict[str, list[Path]] = {}
                excess += int(most * (1 - _EMPTIED_TO))
                for _, size, chain, segment in heapq.merge(*self._sent(store)):
                    if excess <= 0:
                        break
                    excess -= size
                    going.setdefault(chain, []).append(segment)
                for chain, segments in going.items():
                    self._retire(store, chain, segments)
                self._look(store)
        if (self._closed_bytes or 0) + store.segment_size > most:
            raise OSError(errno.EDQUOT, "the audit's folder holds all that it may")

    def _look(self, store: ChainStore) -> int:
        """What all segments take."""
        current = store.current_segment()
        found = (path for paths in chains_in(store.folder).values() for path in paths if path != current)
        self._closed_bytes = sum(path.stat().st_size for path in found)
        return self._closed_bytes + store.segment_size

    def _sent(self, store: ChainStore) -> Iterator[list[tuple[float, int, str, Path]]]:
        """What may go to make room, chain by chain from each one's beginning on: age, size, chain and segment."""
        for chain, segments in chains_in(store.folder).items():
            going: list[tuple[float, int, str, Path]] = []
            for segment in segments:
                if segment == store.current_segment() or not sent_file(segment).exists():
                    break
                known = segment.stat()
                going.append((known.st_mtime, known.st_size, chain, segment))
            yield going

    def _due(self, store: ChainStore, chain: str, segments: list[Path], seconds: float) -> list[Path]:
        late = 0.0 if chain == store.chain else min(_LATE_SECONDS, seconds / 10)
        due: list[Path] = []
        for segment in segments:
            if segment == store.current_segment():
                break
            if time.time() - segment.stat().st_mtime < seconds + (0.0 if due else late):
                break
            if self._sent_only and not sent_file(segment).exists():
                break
            due.append(segment)
        return due

    def _retire(self, store: ChainStore, chain: str, due: list[Path]) -> None:
        last = _last_line(due[-1]) if due else None
        if last is None:
            return
        if chain == store.chain:
            _delete(store, due, last)
        else:
            self._resting.write(chain, lambda rested: _delete(rested, due, last))


def _delete(store: ChainStore, due: list[Path], last: tuple[int, str]) -> None:
    fields = {"kind": "retention", "time": rfc3339(time.time()), "segments": [path.name for path in due]}
    store.add({**fields, "through_seq": last[0], "through_hash": last[1]})
    store.commit()
    store.sign_head()
    for path in due:
        path.unlink()
        sent_file(path).unlink(missing_ok=True)
    disk.sync_folder(store.folder)


def _last_line(segment: Path) -> tuple[int, str] | None:
    """Number and hash of a closed segment's last line; None when it does not end as it should."""
    line = segment.read_bytes().removesuffix(b"\n").rpartition(b"\n")[2]
    fields = read_line(line)
    return (fields["seq"], hash_of(line)) if fields is not None and fields["kind"] == "close" else None
