"""Says what of a stack is no longer as it was deployed. Nothing is changed, neither there nor in the state."""

import argparse
import re
import subprocess
from pathlib import Path

from tools.checkout import ROOT
from tools.preview.github import append
from tools.preview.message import fenced
from tools.problem import Problem, run

LONGEST_SECONDS = 1800
MOST_CHARACTERS = 30_000
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
# What `--expect-no-changes` ends with when there are some, beside what ends every failure.
_CHANGES = "no changes were expected"


def main(arguments: list[str]) -> int:
    """0: everything is as it was deployed. 1: something is not, and FILE says what. A failure is neither."""
    parser = argparse.ArgumentParser(prog="tools/deploy/drift", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--output", required=True, type=Path, help="where the Markdown goes")
    options = parser.parse_args(arguments)
    command = ["pulumi", "preview", "--refresh", "--expect-no-changes", "--diff", "--non-interactive"]
    ran = subprocess.run(
        [*command, "--color", "never", "--suppress-progress", "--stack", options.stack],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    said = _CONTROL.sub("", ran.stdout.decode(errors="replace")).strip()
    if ran.returncode and _CHANGES not in said:
        raise Problem(
            where=f"pulumi preview of stack {options.stack}",
            found=said[-2000:] or f"status {ran.returncode}",
            allowed="a preview that ends",
            do="Run it by hand and mend what it says: nothing is known about drift now.",
        )
    append("GITHUB_OUTPUT", f"drifted={'true' if ran.returncode else 'false'}")
    if not ran.returncode:
        print(f"{options.stack} is as it was deployed")
        return 0
    if len(said) > MOST_CHARACTERS:
        said = "…" + said[-MOST_CHARACTERS:].partition("\n")[2]
    text = f"## `{options.stack}` is not as it was deployed\n\n{fenced(said)}\n"
    options.output.write_text(text, encoding="utf-8")
    print(text)
    return 1


if __name__ == "__main__":
    run(main)
