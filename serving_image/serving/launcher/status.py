"""What a generation says of itself, in one file that whoever started it reads: state, process, and why it failed.

A process number alone proves nothing once the process is gone. So the launcher holds a lock on a file beside the
status for as long as it lives: lock held means alive and this number; lock free means dead, whatever has the number now.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Literal

from serving.launcher.refusal import Refusal

State = Literal["starting", "ready", "draining", "failed"]


class Status:
    """Writes `status.json` and holds `lock`, both in the generation's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "status.json"
        self._lock = (folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, state: State, *, digest: str = "", step: str = "", problem: Refusal | None = None) -> None:
        """Replaces the file at once. `digest` is that of the specification in force; `step` is for who waits."""
        content = {
            "state": state,
            "pid": os.getpid(),
            "specification_sha256": digest,
            "step": step,
            "problem": problem.as_data() if problem else None,
            "at": time.time(),
        }
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=2), encoding="utf-8")
        partial.replace(self._path)
