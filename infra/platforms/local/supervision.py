"""Who restarts a launcher that dies: systemd where it runs this machine, else nobody until the next `pulumi up`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

ANSWER_SECONDS = 5
# Exists exactly where systemd runs as init (sd_booted(3)).
BOOTED = Path("/run/systemd/system")


def supervised(
    command: list[str], *, unit: str, environment: Mapping[str, str], log: Path, grace_seconds: int
) -> list[str]:
    """`command` as a transient unit of the user's systemd where that runs, else as it is; its output goes to `log`.

    A launcher that refuses its specification exits with 1 and is not started again; one that is killed is.
    """
    if not user_manager_runs():
        return command
    return [
        *("systemd-run", "--user", "--quiet", "--collect", f"--unit={unit}"),
        "--property=Restart=on-failure",
        "--property=RestartPreventExitStatus=1",
        "--property=RestartSec=1",
        # SIGTERM to the launcher alone: it drains its children in order.
        "--property=KillMode=mixed",
        # Else its words would go to the journal only, where nobody who reads the generation's folder finds them.
        *(f"--property=StandardOutput=append:{log}", f"--property=StandardError=append:{log}"),
        f"--property=TimeoutStopSec={grace_seconds}",
        "--",
        # The manager would add an environment of its own, with whatever a login put there.
        *("env", "-i", *(f"{key}={value}" for key, value in environment.items())),
        *command,
    ]


def release(unit: str) -> None:
    """Makes systemd end a unit and not start it again: for a launcher that has to be killed."""
    if user_manager_runs():
        _systemctl("kill", "--signal=KILL", unit)
        _systemctl("stop", unit)


def user_manager_runs() -> bool:
    """Whether systemd runs this machine, and answers this user."""
    return BOOTED.is_dir() and _systemctl("show-environment")


def _systemctl(*arguments: str) -> bool:
    try:
        asked = subprocess.run(["systemctl", "--user", *arguments], capture_output=True, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0
