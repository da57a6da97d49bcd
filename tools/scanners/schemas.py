"""Holds manifests against the strict schemas of a version of Kubernetes: no unknown field, no wrong type."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# The oldest that is supported, and the newest whose schemas are in the locked package.
VERSIONS = ("1.31.0", "1.37.0")
_UNKNOWN = re.compile(r"Couldn't find schema for kind (\S+) with api version (\S+)")


@dataclass(frozen=True)
class Validity:
    """`unknown` are kinds with their API version: custom ones, whose schemas are not in any Kubernetes."""

    passed: int
    wrong: tuple[str, ...]
    unknown: frozenset[str]


def hold(python: Path, files: Iterable[Path], version: str) -> Validity:
    """What kubernetes-validate says of each file."""
    command = [str(python), "-m", "kubernetes_validate", "--strict", "--kubernetes-version", version]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    unknown = [found for line in lines if (found := _UNKNOWN.search(line))]
    passed = [line for line in lines if line.startswith("INFO") and " passed " in line]
    wrong = [line for line in lines if not line.startswith("INFO") and not _UNKNOWN.search(line)]
    if done.returncode and not wrong:
        wrong = [f"kubernetes-validate ended with status {done.returncode}"]
    return Validity(
        passed=len(passed),
        wrong=tuple(wrong),
        unknown=frozenset(f"{found[2]} {found[1]}" for found in unknown),
    )
