"""What a command answers as JSON, for one that has to succeed."""

import json
import subprocess
from typing import Any

from tools.checkout import ROOT
from tools.problem import Problem

SECONDS = 300


def asked(*command: str) -> Any:
    """Its answer. Raises Problem with what it said instead."""
    try:
        ran = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except FileNotFoundError:
        raise _problem(command, f"no {command[0]} on PATH") from None
    if ran.returncode:
        raise _problem(command, ran.stderr.strip()[-2000:] or f"status {ran.returncode}, and it said nothing")
    return json.loads(ran.stdout or "null")


def _problem(command: tuple[str, ...], found: str) -> Problem:
    return Problem(
        where=" ".join(command[:3]),
        found=found,
        allowed="a stack that is there, in a backend that this machine is logged in to",
        do="Log in (PULUMI_BACKEND_URL), then run that command by hand and mend what it says.",
    )
