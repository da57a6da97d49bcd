"""Which Pulumi CLI is used: the one on PATH if it fits, else the one installed in .tools/pulumi/<version>."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.checkout import ROOT, TOOLS

MODULES = ROOT / "tools" / "pulumi"
INSTALLED = TOOLS / "pulumi"
OLDEST = (3, 250)  # what infra/program.py asks for with require_pulumi_version

# A CLI without these beside it (or on PATH) cannot run a Python program with dynamic resources.
LANGUAGE_HOST = "pulumi-language-python"
PROGRAMS = ("pulumi", LANGUAGE_HOST, "pulumi-language-python-exec", "pulumi-resource-pulumi-python")

Origin = Literal["path", "release", "source"]


@dataclass(frozen=True)
class CommandLine:
    """A Pulumi CLI that fits: its folder and where it came from (`source`: built here, with our language host)."""

    folder: Path
    origin: Origin

    @property
    def program(self) -> str:
        return str(self.folder / "pulumi")


def pinned_version() -> str:
    """The version that is installed where none fits: the one that tools/pulumi/go.mod requires."""
    required = re.search(r"github\.com/pulumi/pulumi/pkg/v3 v(\S+)", (MODULES / "go.mod").read_text(encoding="utf-8"))
    assert required, "tools/pulumi/go.mod requires no github.com/pulumi/pulumi/pkg/v3"
    return required[1]


def find() -> CommandLine | None:
    """The CLI to use, or None where one has to be installed first."""
    return _on_path() or installed()


def installed() -> CommandLine | None:
    """The CLI of the pinned version in .tools, where it is complete."""
    home = INSTALLED / pinned_version()
    try:
        origin = (home / "origin").read_text(encoding="utf-8").strip()
    except OSError:
        return None  # not there, or put there by something that did not finish
    if origin not in ("release", "source") or not all(os.access(home / "bin" / name, os.X_OK) for name in PROGRAMS):
        return None
    return CommandLine(home / "bin", "source" if origin == "source" else "release")


def _on_path() -> CommandLine | None:
    program, host = shutil.which("pulumi"), shutil.which(LANGUAGE_HOST)
    if program is None or host is None:
        return None
    if INSTALLED.resolve() in Path(program).resolve().parents:
        return None  # ours, put on PATH by `eval "$(tools/pulumi/env)"`: installed() says where it came from
    return CommandLine(Path(program).parent, "path") if _fits(program) else None


def _fits(program: str) -> bool:
    """Whether `pulumi version` is of this major version and new enough."""
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        said = subprocess.run(
            [program, "version"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.match(r"v?(\d+)\.(\d+)\.", said.strip())
    return version is not None and OLDEST <= (int(version[1]), int(version[2])) < (OLDEST[0] + 1, 0)
