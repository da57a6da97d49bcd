"""Runs `pulumi preview` for one stack and writes what it said, whatever its end."""

import argparse
import re
import subprocess
from pathlib import Path

from tools.checkout import ROOT
from tools.preview.message import fenced
from tools.problem import run

LONGEST_SECONDS = 1200
# What is at the end counts: the number of resources, or the error.
MOST_CHARACTERS = 30_000
# Colours, and whatever else a terminal would obey.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def main(arguments: list[str]) -> int:
    """The status of `pulumi preview`."""
    parser = argparse.ArgumentParser(prog="tools/preview/cloud", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--output", required=True, type=Path, help="where the Markdown goes")
    options = parser.parse_args(arguments)
    command = ["pulumi", "preview", "--stack", options.stack, "--non-interactive", "--color", "never", "--diff"]
    try:
        ran = subprocess.run(
            [*command, "--suppress-progress"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        status, said = ran.returncode, ran.stdout
    except subprocess.TimeoutExpired as expired:
        status, said = 124, (expired.stdout or b"") + f"\nended after {LONGEST_SECONDS} s".encode()
    options.output.write_text(_section(options.stack, status, said.decode(errors="replace")), encoding="utf-8")
    return status


def _section(stack: str, status: int, said: str) -> str:
    text = _CONTROL.sub("", said).strip()
    if len(text) > MOST_CHARACTERS:
        text = "…" + text[-MOST_CHARACTERS:].partition("\n")[2]
    verdict = "as the cloud sees it" if status == 0 else f"failed with status {status}"
    folded = f"<details><summary>All it said</summary>\n\n{fenced(text or 'nothing')}\n\n</details>"
    return f"## `pulumi preview` of `{stack}`: {verdict}\n\n{folded}\n"


if __name__ == "__main__":
    run(main)
