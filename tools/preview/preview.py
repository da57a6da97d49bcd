"""One `pulumi preview`: how it ended, and what it said, as text for a page."""

import re
import subprocess

from tools.checkout import ROOT

# What is at the end counts: the number of resources, or the error.
MOST_CHARACTERS = 30_000
# Colours, and whatever else a terminal would obey.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def previewed(stack: str, *options: str, seconds: int) -> tuple[int, str]:
    """Its status and its text; 124 where it was ended after that time."""
    command = ["pulumi", "preview", "--stack", stack, "--non-interactive", "--color", "never", "--diff"]
    try:
        ran = subprocess.run(
            [*command, "--suppress-progress", *options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
        status, said = ran.returncode, ran.stdout
    except subprocess.TimeoutExpired as expired:
        status, said = 124, (expired.stdout or b"") + f"\nended after {seconds} s".encode()
    return status, _CONTROL.sub("", said.decode(errors="replace")).strip()


def its_end(text: str) -> str:
    """As much of it as a page takes."""
    return text if len(text) <= MOST_CHARACTERS else "…" + text[-MOST_CHARACTERS:].partition("\n")[2]
