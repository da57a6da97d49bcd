"""GitHub as a runner sees it: its variables, its files, and its API by way of the `gh` that every runner has."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tools.problem import Problem


class Forbidden(Exception):
    """The token may not do that, such as one of a fork or of Dependabot."""


def variable(name: str) -> str:
    """A variable that the workflow sets."""
    value = os.environ.get(name, "")
    if not value:
        raise Problem(
            where=f"the environment variable {name}",
            found="nothing",
            allowed="what the workflow `preview` sets it to",
            do="Run it in that workflow, or set the variable.",
        )
    return value


def append(variable_of_file: str, text: str) -> None:
    """Add lines to one of the runner's files; outside a runner there is none, and nothing is lost."""
    if path := os.environ.get(variable_of_file):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")


def api(path: str, *, method: str = "GET", content: dict[str, Any] | None = None) -> Any:
    """What GitHub answers. Lists come whole, as a list of their pages. Content goes through a pipe: a comment may be
    longer than an argument."""
    command = ["gh", "api", "--method", method, path]
    command += ["--paginate", "--slurp"] if method == "GET" else ["--input", "-"]
    try:
        ran = subprocess.run(
            command, input=json.dumps(content or {}), capture_output=True, text=True, timeout=120, check=False
        )
    except FileNotFoundError:
        raise _problem(path, "no gh on PATH") from None
    except subprocess.TimeoutExpired:
        raise _problem(path, "no answer within 120 s") from None
    if ran.returncode:
        if "HTTP 403" in ran.stderr or "HTTP 404" in ran.stderr:
            raise Forbidden(ran.stderr.strip())
        raise _problem(path, ran.stderr.strip() or f"gh ended with status {ran.returncode} and said nothing")
    return json.loads(ran.stdout)


def warn(text: str) -> None:
    """A warning on the page of the run."""
    print(f"::warning::{text.replace('%', '%25').replace(chr(13), '%0D').replace(chr(10), '%0A')}", flush=True)


def _problem(path: str, found: str) -> Problem:
    return Problem(
        where=f"gh api {path}",
        found=found,
        allowed="GitHub's command line 2.48 or newer, and an API that answers",
        do="Run the job again; if it stays so, look at https://www.githubstatus.com.",
    )
