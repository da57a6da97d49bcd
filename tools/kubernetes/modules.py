"""Where the files of Go modules are that tests read: kwok's stages and the custom resource definitions of others.

They are read in the module cache and not copied into this repository: go.sum says which bytes they are.
"""

import json
import re
from pathlib import Path

from tools import go, progress
from tools.checkout import ROOT
from tools.kubernetes.programs import FOLDER, KWOK
from tools.problem import Problem

CUSTOM_RESOURCES = FOLDER / "crds"


def folders() -> dict[str, Path]:
    """Module → its folder, of kwok and of every module in tools/kubernetes/crds/go.mod; downloaded where missing."""
    return {KWOK.module: _download(KWOK.folder, KWOK.module)[KWOK.module]} | _download(CUSTOM_RESOURCES)


def go_program(folder: Path) -> str:
    """Go's path, or the problem that there is none that fits."""
    try:
        return go.program(folder)
    except go.Missing as missing:
        raise Problem(
            where="your PATH",
            found=f"{missing.found} to build the Kubernetes control plane of the tests",
            allowed=missing.oldest,
            do="Install Go and run the same command again; every other test runs without it.",
        ) from None


def _download(folder: Path, *only: str) -> dict[str, Path]:
    command = [go_program(folder), "mod", "download", "-json", *only]
    try:
        printed = progress.run(command, cwd=folder, environment=go.environment())
    except progress.Failed as failure:
        raise Problem(
            where=str((folder / "go.mod").relative_to(ROOT)),
            found=str(failure),
            allowed=f"the modules in {(folder / 'go.sum').relative_to(ROOT)}",
            do="Check that Go's module proxy can be reached (go env GOPROXY), then run the same command again.",
        ) from None
    # One JSON object after the other, each closed by a brace at the start of a line.
    found = [json.loads(text) for text in re.findall(r"^\{.*?^\}", printed, re.MULTILINE | re.DOTALL)]
    return {module["Path"]: Path(module["Dir"]) for module in found}
