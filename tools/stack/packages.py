"""Installs the packages that one stack needs: those of the platforms that it names. `tools/stack/packages STACK`"""

import argparse
import subprocess

from tools.checkout import PYTHON, ROOT
from tools.problem import run
from tools.python import install as python


def main(arguments: list[str]) -> int:
    """Install them, and print nothing where they are there."""
    parser = argparse.ArgumentParser(prog="tools/stack/packages", description=__doc__)
    parser.add_argument("stack", nargs="?", default="dev")
    install(parser.parse_args(arguments).stack)
    return 0


def install(stack: str) -> None:
    """What every stack needs, then what its platforms do. What is wrong with its file is told by whoever runs it."""
    python.install(["local"])
    command = [PYTHON, "-m", "infra", "extras", "--stack", stack]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    if not ran.returncode and (extras := ran.stdout.split()):
        python.install(extras)


if __name__ == "__main__":
    run(main)
