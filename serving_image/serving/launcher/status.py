"""What a generation says of itself, in one file that whoever started it reads: state, process, and why it failed.

A process number alone proves nothing once the process is gone. So the launcher holds a lock on a file beside the
status for as long as it lives: lock held means alive and this number; lock free means dead, whatever has it now.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from serving.launcher.refusal import Refusal

LOG = logging.getLogger("slipway.launcher")
# Whoever asks whether this launcher lives tries the same lock for a moment.
LOCK_ATTEMPTS, LOCK_PAUSE_SECONDS = 20, 0.05

State = Literal["starting", "ready", "draining", "failed"]


class Status:
    """Writes `status.json` and holds `lock`, both in the generation's folder. Raises Refusal if another does."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "status.json"
        self._lock = (folder / "lock").open("w")
        for _ in range(LOCK_ATTEMPTS):
            with suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._replace("starting")
                return
            time.sleep(LOCK_PAUSE_SECONDS)
        raise Refusal(
            where=str(folder),
            found="a launcher that runs here already",
            allowed="one launcher in one folder",
            remedy="end the other one, or give this one a folder of its own",
        )

    def write(
        self,
        state: State,
        *,
        digest: str = "",
        step: str = "",
        problem: Refusal | None = None,
        answers: Sequence[str] = (),
    ) -> None:
        """Replaces the file at once. `digest` is that of the specification in force; `step` is for who waits.
        `answers` are the addresses that answer 200 while all is well."""
        try:
            self._replace(state, digest, step, problem, answers)
        except OSError as error:  # a full disk must not end what serves, or cut what drains
            LOG.error("cannot write %s: %s", self._path, error)

    def _replace(
        self,
        state: State,
        digest: str = "",
        step: str = "",
        problem: Refusal | None = None,
        answers: Sequence[str] = (),
    ) -> None:
        content = {
            "state": state,
            "pid": os.getpid(),
            "specification_sha256": digest,
            "step": step,
            "problem": problem.as_data() if problem else None,
            "answers": list(answers),
            "at": time.time(),
        }
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=2), encoding="utf-8")
        partial.replace(self._path)
