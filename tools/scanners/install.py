"""Installs the lock of the scanners into .tools/scanners, a folder for each state of the lock. Again: at once."""

from pathlib import Path

from tools.problem import run
from tools.python.alone import Alone

SCANNERS = Alone(name="scanners", holds="checkov and kubernetes-validate", mebibytes=600, usually="60 s")


def main(arguments: list[str]) -> int:
    """Install if needed; the last line is the Python that has them."""
    del arguments
    print(install())
    return 0


def installed() -> Path | None:
    """Their Python, where they are installed as the lock is now."""
    return SCANNERS.installed()


def install() -> Path:
    """Their Python; installs them if needed."""
    return SCANNERS.install()


if __name__ == "__main__":
    run(main)
