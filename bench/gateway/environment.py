"""What the gateway is measured with: the interpreter of an image, and the packages of an image.

Distributions and the images made of them build Python with profile-guided optimisation; one that somebody compiled
without it, as version managers do, costs the gateway a tenth more (2026-11). So the machine's own is taken where it is
of the same version as the checkout's, for which the gateway was compiled.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.gateway.processes import ROOT
from tools import progress

_LOCK = ROOT / "requirements" / "gateway.txt"
_DISTRIBUTIONS = Path("/usr/bin")


def interpreter(folder: Path) -> tuple[Path, str]:
    """A Python with the packages of `requirements/gateway.txt`, kept in `folder`, and what it is in words.

    The checkout's own where the machine has no other of its version, or none that can make an environment.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = _DISTRIBUTIONS / f"python{version}"
    own = Path(sys.executable), f"Python {sys.version.split()[0]} of the checkout"
    if not base.exists() or Path(sys.base_prefix) == Path("/usr") or _asked(base, "import ensurepip, venv") is None:
        return own
    found = _asked(base, "import sys; print(sys.version.split()[0])") or ""
    digest = hashlib.sha256(found.encode() + _LOCK.read_bytes()).hexdigest()[:16]
    environment = folder / f"python-{digest}"
    python = environment / "bin" / "python"
    if not environment.exists():
        making = folder / f".python-{digest}"
        shutil.rmtree(making, ignore_errors=True)
        try:
            with progress.step("installing the gateway's packages for the machine's own Python", "20 s"):
                progress.run([str(base), "-m", "venv", str(making)], cwd=ROOT)
                install = [str(making / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
                locked = ["--disable-pip-version-check", "--no-deps", "--require-hashes", f"--requirement={_LOCK}"]
                progress.run([*install, *locked], cwd=ROOT)
        except progress.Failed as failure:
            print(f"bench: measuring with the checkout's Python: {failure}", file=sys.stderr)
            return own
        making.rename(environment)
    return python, f"Python {found} of the machine"


def _asked(python: Path, code: str) -> str | None:
    result = subprocess.run([str(python), "-ISc", code], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None
