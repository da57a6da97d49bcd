"""Compiles the gateway (serving_image/setup.py) into a folder of .tools that is named by what it was made of."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from tools import progress
from tools.checkout import ROOT, TOOLS, one_at_a_time, require_room
from tools.problem import Problem, run

SOURCE = ROOT / "serving_image"
KEPT = 3


def main(_arguments: list[str]) -> int:
    """Print the folder that PYTHONPATH needs to run the compiled gateway."""
    print(compiled())
    return 0


def compiled() -> Path:
    """A copy of the package with machine code beside its modules; made when there is none for these very files."""
    folder = TOOLS / "serving" / _digest()
    with one_at_a_time("serving"):
        if not folder.exists():
            require_room(TOOLS, 300, "the compiled gateway")
            _forget_old(folder.parent)
            _build(folder)
    return folder


def _build(folder: Path) -> None:
    making = folder.with_name(f".{folder.name}")
    shutil.rmtree(making, ignore_errors=True)
    shutil.copytree(SOURCE, making, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    try:
        with progress.step("compiling the gateway", "1 to 2 min, once for each state of its files"):
            progress.run(
                [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
                cwd=making,
                environment=os.environ | {"SLIPWAY_COMPILE": "1", "PYTHONPATH": ""},
            )
    except progress.Failed as failure:
        raise Problem(
            where="serving_image/setup.py",
            found=str(failure),
            allowed="modules that mypyc takes, and a C compiler with Python's headers",
            do="Mend what is named above; the gateway runs without being compiled too.",
        ) from None
    shutil.rmtree(making / "build", ignore_errors=True)
    making.replace(folder)


def _digest() -> str:
    """Of everything that goes into the result."""
    digest = hashlib.sha256(sys.version.encode())
    digest.update((ROOT / "requirements" / "dev.txt").read_bytes())
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(SOURCE)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _forget_old(folder: Path) -> None:
    known = sorted(folder.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
    for path in known[: max(0, len(known) - KEPT + 1)]:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    run(main)
