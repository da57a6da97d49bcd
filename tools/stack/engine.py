"""Runs pulumi so that a Ctrl-C reaches it once, it may finish what it has begun, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tools.checkout import ROOT
from tools.problem import Problem, Stopped
from tools.progress import say
from tools.pulumi.command_line import CommandLine
from tools.pulumi.environment import Environment

LAST_LINES = 60
ONE_PRESS_SECONDS = 1.0  # `make` passes a signal on that the whole group has got already: that is one press, not two

# What pulumi prints when something is wrong that its user can put right → allowed, do.
_KNOWN = (
    ("no space left on device", "room on the disk for the state", "Free some space, then run the same command again."),
    (
        "incorrect passphrase",
        "the passphrase that the stack's secrets were encrypted with",
        "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE as it was then, or unset it if it was not.",
    ),
    ("permission denied", "files and folders that you may write", "Change their owner or mode, then run it again."),
)


@dataclass(frozen=True)
class Engine:
    """A Pulumi CLI and the environment it runs in."""

    command_line: CommandLine
    environment: Environment

    def run(self, *arguments: str, where: str, cwd: Path = ROOT) -> None:
        """Run pulumi and show what it prints. Raises Problem when it fails, Stopped when it was interrupted."""
        colour = "always" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else "never"
        last: deque[str] = deque(maxlen=LAST_LINES)
        with _start(self, [*arguments, f"--color={colour}"], cwd) as (child, interruptions):
            assert child.stdout is not None
            for line in child.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                last.append(line)
            status = child.wait()
        if interruptions:
            raise Stopped(interruptions[0])
        if status != 0:
            raise _failure(arguments[0], status, "".join(last), where)

    def ask(self, *arguments: str) -> Any:
        """Run a quiet pulumi command and return the JSON it prints."""
        with _start(self, [*arguments, "--color=never"], ROOT, errors=subprocess.PIPE) as (child, interruptions):
            printed, errors = child.communicate()
        if interruptions:
            raise Stopped(interruptions[0])
        if child.returncode != 0:
            raise _failure(" ".join(arguments[:2]), child.returncode, errors, "the stack's state")
        return json.loads(printed)


@contextmanager
def _start(
    engine: Engine, arguments: Sequence[str], cwd: Path, errors: int = subprocess.STDOUT
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Start pulumi in a process group of its own and pass one interruption on to it.

    In our group it would get a terminal's Ctrl-C by itself, and with ours on top a second one, which tells it to drop
    everything at once. It is not the terminal's foreground then, hence no standard input and no interactive display.
    A second Ctrl-C of the user does reach it: pulumi says what that does.
    """
    interruptions: list[int] = []
    children: list[subprocess.Popen[str]] = []
    last = -ONE_PRESS_SECONDS

    def pass_on(number: int, _frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < ONE_PRESS_SECONDS:
            return
        last = now
        interruptions.append(number)
        if children and children[0].poll() is None:
            say("stopping: pulumi finishes what it has begun …" if len(interruptions) == 1 else "stopping at once …")
            children[0].send_signal(signal.SIGINT)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, pass_on) for number in numbers]
    try:
        child = subprocess.Popen(
            [engine.command_line.program, *arguments, "--non-interactive"],
            cwd=cwd,
            env=engine.environment.complete(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            errors="replace",
            process_group=0,
            umask=0o077 if engine.environment.own_state else -1,  # state holds secrets, encrypted or not
        )
        children.append(child)
        if interruptions:  # it came while the process was being started
            child.send_signal(signal.SIGINT)
        try:
            yield child, interruptions
        finally:
            if child.poll() is None:  # our own output is gone or we fail: pulumi still ends in order
                child.send_signal(signal.SIGINT)
                child.wait()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _failure(command: str, status: int, printed: str, where: str) -> Problem:
    for text, allowed, do in _KNOWN:
        if text in printed:
            found = next(line.strip() for line in printed.splitlines() if text in line)
            return Problem(where, found, allowed, do)
    ended = f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"
    errors = [line.strip() for line in printed.splitlines() if line.strip().startswith("error:")]
    return Problem(
        where=where,
        found=f"pulumi {command} {ended}" + (f"\n{errors[-1]}" if errors else ""),
        allowed="a deployment without errors",
        do="Correct what is printed above, then run the same command again: it continues from there.",
    )
