"""Runs a command that ends when its parent does: `python -m serving.launcher.lifeline PARENT_PID COMMAND…`.

Linux tells a process when its parent died (PR_SET_PDEATHSIG survives exec), so a launcher that is killed leaves no
engine behind. Elsewhere the command simply runs, and the next start or stop of the deployment ends what was left.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
