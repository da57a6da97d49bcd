"""Installs the lock of the scanners into .tools/scanners, a folder for each state of the lock. Again: at once."""

import hashlib
import shutil
import sys
from pathlib import Path

from tools import progress
from tools.checkout import ROOT, TOOLS, one_at_a_time, require_room
from tools.problem import Problem, run

LOCK = ROOT / "requirements" / "scanners.txt"
MEBIBYTES = 600


def main(arguments: list[str]) -> int:
    """Install if needed; the last line is the Python that has them."""
    del arguments
    print(install())
    return 0


def installed() -> Path | None:
    """Their Python, where they are installed as the lock is now."""
    home = _home()
    return home / "bin" / "python" if (home / "complete").exists() else None


def install() -> Path:
    """Their Python; installs them if needed."""
    return installed() or _install()


def _install() -> Path:
    home = _home()
    with one_at_a_time("scanners"):
        if already := installed():  # by the process that we have waited for
            return already
        shutil.rmtree(home, ignore_errors=True)  # of an installation that was killed
        require_room(home, MEBIBYTES, "the scanners")
        python = home / "bin" / "python"
        options = ["--quiet", "--no-input", "--disable-pip-version-check", "--require-hashes", f"--requirement={LOCK}"]
        try:
            with progress.step("installing checkov and kubernetes-validate into .tools", "60 s"):
                progress.run([sys.executable, "-m", "venv", str(home)], cwd=ROOT)
                progress.run([str(python), "-m", "pip", "install", *options], cwd=ROOT)
        except progress.Failed as failure:
            raise Problem(
                where=".tools/scanners, from requirements/scanners.txt",
                found=str(failure),
                allowed="a package index that answers and has these versions with these hashes, and room for them",
                do="Check the connection and your pip configuration (pip config list), then run the command again.",
            ) from None
        (home / "complete").touch()
        return python


def _home() -> Path:
    return TOOLS / "scanners" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]


if __name__ == "__main__":
    run(main)
