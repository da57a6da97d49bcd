"""What Pulumi remembers of a stack's updates."""

import json
import subprocess
from typing import Any

from tools.checkout import ROOT
from tools.problem import Problem


def updates(stack: str) -> list[dict[str, Any]]:
    """The stack's updates, the newest first."""
    command = ["pulumi", "stack", "history", "--json", "--stack", stack, "--page-size", "200", "--page", "1"]
    try:
        ran = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
        )
    except FileNotFoundError:
        raise _problem(stack, "no pulumi on PATH") from None
    if ran.returncode:
        raise _problem(stack, ran.stderr.strip() or f"pulumi ended with status {ran.returncode} and said nothing")
    return json.loads(ran.stdout or "[]") or []


def _problem(stack: str, found: str) -> Problem:
    return Problem(
        where=f"the history of stack {stack}",
        found=found,
        allowed="a backend that this machine is logged in to, and a stack that is there",
        do="Log in (PULUMI_BACKEND_URL), and make the stack once by hand: `pulumi up --stack NAME`.",
    )
