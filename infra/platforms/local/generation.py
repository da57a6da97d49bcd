"""One generation seen from outside: whether its launcher lives, what it says of itself, and how to signal or end it."""

from __future__ import annotations

import fcntl
import json
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from infra.platforms.local.supervision import release

if TYPE_CHECKING:
    import psutil

POLL_SECONDS = 0.05
KILL_SECONDS = 10
EXIT_SECONDS = 1
# In the environment of every process of a generation: its folder.
MARK = "SLIPWAY_GENERATION"


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One generation that lives: its folder, its launcher's process number, and what its status file says."""

    folder: Path
    pid: int
    state: str


def lives(folder: Path) -> bool:
    """Whether its launcher holds its lock."""
    try:
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def status_of(folder: Path) -> dict[str, Any]:
    """Its status file; empty when there is none that can be read."""
    try:
        status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], status) if isinstance(status, dict) else {}


def described(folder: Path) -> Generation:
    """What its status file says; one that has said nothing yet is starting."""
    status = status_of(folder)
    pid = status.get("pid")
    return Generation(folder=folder, pid=pid if isinstance(pid, int) else 0, state=str(status.get("state", "starting")))


def kill(folder: Path) -> None:
    """Ends whatever of a generation still runs, at once: its launcher, and children that outlived theirs."""
    import psutil

    send(folder, signal.SIGTERM)
    deadline = time.monotonic() + KILL_SECONDS
    while lives(folder) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    # One that has let go of its lock, or said that it failed, is about to exit: killed now, systemd would restart it.
    deadline = time.monotonic() + EXIT_SECONDS
    while (left := _processes(folder)) and not lives(folder) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if left:
        release(unit_of(folder))
    while left:
        for process in left:
            with suppress(psutil.Error, OSError):
                process.kill()
        psutil.wait_procs(left, timeout=KILL_SECONDS)
        left = _processes(folder)


def send(folder: Path, number: signal.Signals) -> None:
    """Signals a generation's launcher, and nobody else who may have got the number that its status file names."""
    import psutil

    pid = described(folder).pid
    if not lives(folder) or pid <= 1:
        return
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if _belongs(process, folder):
            process.send_signal(number)


def _processes(folder: Path) -> list[psutil.Process]:
    import psutil

    return [process for process in psutil.process_iter() if _belongs(process, folder)]


def _belongs(process: psutil.Process, folder: Path) -> bool:
    import psutil

    try:
        return process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def unit_of(folder: Path) -> str:
    """The name of its unit where systemd supervises it."""
    return f"slipway-{folder.name}"
