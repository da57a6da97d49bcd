"""Tools in an environment of their own: a lock installed into .tools/NAME, a folder for each state of it."""

import hashlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tools import progress
from tools.checkout import ROOT, TOOLS, one_at_a_time, require_room
from tools.problem import Problem


@dataclass(frozen=True)
class Alone:
    """`name` is the lock's in requirements/; `holds` says what is in it, `usually` how long installing takes."""

    name: str
    holds: str
    mebibytes: int
    usually: str

    @property
    def lock(self) -> Path:
        """What is installed."""
        return ROOT / "requirements" / f"{self.name}.txt"

    def installed(self) -> Path | None:
        """Its Python, where it is installed as the lock is now."""
        home = self._home()
        return home / "bin" / "python" if (home / "complete").exists() else None

    def install(self) -> Path:
        """Its Python; installs it if needed."""
        return self.installed() or self._install()

    def _install(self) -> Path:
        home = self._home()
        with one_at_a_time(self.name):
            if already := self.installed():  # by the process that we have waited for
                return already
            shutil.rmtree(home, ignore_errors=True)  # of an installation that was killed
            require_room(home, self.mebibytes, self.holds)
            python = home / "bin" / "python"
            # All of it is in the lock; some packages are asked for with extras, of which pip wants a pin of their own.
            options = ["--quiet", "--no-input", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
            try:
                with progress.step(f"installing {self.holds} into .tools", self.usually):
                    progress.run([sys.executable, "-m", "venv", str(home)], cwd=ROOT)
                    install = [str(python), "-m", "pip", "install", *options, f"--requirement={self.lock}"]
                    progress.run(install, cwd=ROOT)
            except progress.Failed as failure:
                raise Problem(
                    where=f".tools/{self.name}, from requirements/{self.name}.txt",
                    found=str(failure),
                    allowed="a package index that answers and has these versions with these hashes, and room for them",
                    do="Check the connection and your pip configuration (pip config list), then run the command again.",
                ) from None
            (home / "complete").touch()
            return python

    def _home(self) -> Path:
        return TOOLS / self.name / hashlib.sha256(self.lock.read_bytes()).hexdigest()[:16]
