"""Deletes whole closed segments that are older than the retention, after a row that says so."""

from __future__ import annotations

import time
from pathlib import Path

from serving.gateway.audit import disk
from serving.gateway.audit.chain import hash_of, read_line
from serving.gateway.audit.clock import rfc3339
from serving.gateway.audit.segments import chains_in, sent_file
from serving.gateway.audit.store import ChainStore

_DAY = 86_400


class Retention:
    """Of the chain that this process writes. First the row and a signed head, then the files: verify knows what
    went, and that it was this gateway that removed it."""

    def __init__(self, days: float, *, sent_only: bool) -> None:
        self._seconds = days * _DAY
        self._sent_only = sent_only

    def apply(self, store: ChainStore) -> None:
        """Delete what is due. Raises OSError."""
        due: list[Path] = []
        for segment in chains_in(store.folder).get(store.chain, []):
            old = time.time() - segment.stat().st_mtime >= self._seconds
            if segment == store.current_segment() or not old:
                break
            if self._sent_only and not sent_file(segment).exists():
                break
            due.append(segment)
        if not due:
            return
        last = _last_line(due[-1])
        if last is None:
            return
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
