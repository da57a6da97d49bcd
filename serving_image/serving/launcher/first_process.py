"""The first process of a container: runs the launcher as its child, passes signals on, and collects every process that
ends after whoever started it.

The kernel gives an orphan to the first process, and it stays a zombie until that one asks for its end. asyncio asks for
the children that it knows and no other, so this is a process of its own, which does nothing else.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_CHILD_SUBREAPER = 36
PASSED_ON = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def run_below(main: Callable[[], int]) -> int:
    """Runs `main` in a child; returns its exit status when it has ended, as a shell would (128 + signal)."""
    if sys.platform == "linux":  # orphans come to us where another process is the first one, too
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    waited_for = {*PASSED_ON, signal.SIGCHLD}
    # Before there is a child: a signal that came in between would end this one, or be lost.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    launcher = os.fork()
    if launcher == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return main()
    while True:
        number = signal.sigwait(waited_for)
        if number != signal.SIGCHLD:
            os.kill(launcher, number)
        elif (status := _collect(launcher)) is not None:
            return status if status >= 0 else 128 - status


def _collect(launcher: int) -> int | None:
    """Asks for the end of every child that has ended; returns the launcher's, if it is among them."""
    ended = None
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if process == 0:
            return ended
        if process == launcher:
            ended = os.waitstatus_to_exitcode(status)
