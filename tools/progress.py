"""Long steps, told while they run: what is being done, how long it has taken, how long it usually takes."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

EVERY_SECONDS = 15.0
GRACE_SECONDS = 5.0


@contextmanager
def step(doing: str, usually: str) -> Iterator[None]:
    """Say that a step starts, every 15 s that it still runs, and how long it took. Speaks on stderr."""
    started = time.monotonic()
    finished = threading.Event()

    def tick() -> None:
        while not finished.wait(EVERY_SECONDS):
            say(f"{doing}: {time.monotonic() - started:.0f} s so far (usually {usually})")

    say(f"{doing} (usually {usually})")
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        finished.set()
        ticker.join()
    say(f"{doing}: done in {time.monotonic() - started:.0f} s")


class Failed(Exception):
    """A command of a step failed; the message is the end of what it printed."""


def run(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a quiet command and return its standard output; when this process is stopped, the command is too.

    The command is in a process group of its own, so that what it has started ends with it.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            process_group=0,
        )
        try:
            child.wait()
        finally:
            _end(child)
        printed = _text(output)
        if child.returncode != 0:
            last = (_text(errors).strip() or printed.strip()).splitlines()[-20:]
            raise Failed("\n".join(last) or f"{command[0]} ended with status {child.returncode} and said nothing")
        return printed


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
            return


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def say(line: str) -> None:
    """Tell the person at the terminal one thing; standard output is left to what a program reads."""
    print(f"slipway: {line}", file=sys.stderr, flush=True)
