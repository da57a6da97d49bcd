"""Who restarts a launcher that dies: systemd where it runs this machine, else nobody until the next `pulumi up`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

ANSWER_SECONDS = 5


def supervised(command: list[str], *, unit: str, environment: Mapping[str, str], grace_seconds: int) -> list[str]:
    """`command` as a transient unit of the user's systemd where that runs, else as it is.

    A launcher that refuses its specification exits with 1 and is not started again; one that is killed is.
    """
    if not _user_manager_runs():
        return command
    return [
        *("systemd-run", "--user", "--quiet", "--collect", f"--unit={unit}"),
        *(f"--setenv={key}={value}" for key, value in environment.items()),
        "--property=Restart=on-failure",
        "--property=RestartPreventExitStatus=1",
        "--property=RestartSec=1",
        # SIGTERM to the launcher alone: it drains its children in order.
        "--property=KillMode=mixed",
        f"--property=TimeoutStopSec={grace_seconds}",
        "--",
        *command,
    ]


def _user_manager_runs() -> bool:
    if not Path("/run/systemd/system").is_dir():
        return False
    try:
        asked = subprocess.run(["systemctl", "--user", "show-environment"], capture_output=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0
