"""A gateway whose audit disk fails while the file named by $AUDIT_FAULT exists; it holds `write`, `sync` or both."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

from serving.gateway.audit import disk
from serving.gateway.command_line import main

_fault = Path(os.environ["AUDIT_FAULT"])
_durable: dict[int, int] = {}
"""By inode, what was there at the last fsync that did not fail."""
_write, _sync, _hold_back = disk.write_all, disk.sync, disk.hold_back


def _fails(call: str) -> bool:
    try:
        return call in _fault.read_text()
    except FileNotFoundError:
        return False


def write_all(descriptor: int, data: bytes) -> None:
    if _fails("write"):
        _write(descriptor, data[: len(data) // 2])  # a full disk takes what fits
        raise OSError(errno.ENOSPC, "No space left on device")
    _write(descriptor, data)


def sync(descriptor: int) -> None:
    status = os.fstat(descriptor)
    if _fails("sync"):
        if status.st_ino in _durable:
            os.ftruncate(descriptor, _durable[status.st_ino])  # what a failed fsync may do: the pages are gone
        raise OSError(errno.EIO, "Input/output error")
    _sync(descriptor)
    if stat.S_ISREG(status.st_mode):
        _durable[status.st_ino] = status.st_size


def hold_back(path: Path, size: int) -> None:
    if _fails("write"):
        raise OSError(errno.ENOSPC, "No space left on device")
    _hold_back(path, size)


disk.write_all, disk.sync, disk.hold_back = write_all, sync, hold_back
sys.exit(main())
