"""Errors that a person can act on: where, what was found, what is allowed, what to do. Never a traceback."""

import errno
import os
import signal
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

CONTINUES = "Stopped. Nothing is lost: run the same command again and it continues."

# What the operating system says, in words of what to do about it.
_OPERATING_SYSTEM = {
    errno.EACCES: ("permission denied", "a file or folder that you may write", "Change its owner or mode"),
    errno.EPERM: ("operation not permitted", "a file or folder that you may write", "Change its owner or mode"),
    errno.EROFS: ("a read-only file system", "a file system that you may write", "Move the checkout there"),
    errno.ENOSPC: ("no space left on the device", "room for what is written here", "Free some space"),
    errno.EDQUOT: ("disk quota exceeded", "room for what is written here", "Free some space"),
}


class Problem(Exception):
    """Something that stops the tool and that its user can put right."""

    def __init__(self, where: str, found: str, allowed: str, do: str) -> None:
        super().__init__(found)
        self.where, self.found, self.allowed, self.do = where, found, allowed, do

    def __str__(self) -> str:
        parts = (("where", self.where), ("found", self.found), ("allowed", self.allowed), ("do", self.do))
        return "\n".join(f"  {name:<8} {textwrap.indent(text, ' ' * 11).strip()}" for name, text in parts)


class Stopped(Exception):
    """A signal asked the tool to stop; `status` is the exit status that tells so."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.status = 128 + signal_number


def of_operating_system(error: OSError) -> Problem | None:
    """The four parts of an error that a person causes and mends (permission, space), else None."""
    known = _OPERATING_SYSTEM.get(error.errno or 0)
    if known is None:
        return None
    found, allowed, do = known
    return Problem(str(error.filename or "this checkout"), found, allowed, f"{do}, then run the same command again.")


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a tool's main with the command line's arguments and exit with its status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except Problem as problem:
        status = _report(problem)
    except (Stopped, KeyboardInterrupt) as stopped:
        _ignore_signals()
        print(f"\nslipway: {CONTINUES}", file=sys.stderr)
        status = stopped.status if isinstance(stopped, Stopped) else 130
    except BrokenPipeError:  # the reader of our output has gone; there is nobody to tell
        sys.stderr.close()
        status = 141
    except Exception as error:
        problem = of_operating_system(error) if isinstance(error, OSError) else None
        status = _report(problem or _of_tool(error))
    sys.exit(status)


def _of_tool(error: Exception) -> Problem:
    """An error that the tools did not foresee. Its traceback is kept for whoever mends them."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    kept = Path(tempfile.gettempdir(), f"slipway-error-{os.getpid()}.txt")
    with suppress(OSError):
        kept.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return Problem(
        where=f"{place.filename}, line {place.lineno}",
        found=f"{type(error).__name__}: {error}",
        allowed="nothing that the tools do not foresee: this is a fault of theirs",
        do=f"Run the same command again; if it stays so, report it with {kept}.",
    )


def _report(problem: Problem) -> int:
    sys.stdout.flush()
    print(f"slipway: cannot continue\n{problem}", file=sys.stderr)
    return 1


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
