"""Go, where something is built from its modules: the program on PATH, of the version that a go.mod asks for."""

import os
import re
import shutil
from pathlib import Path

from tools import progress

# Go may not download another Go, look for a workspace, or link against this machine's C library.
# A compiler that collects its garbage less often, and writes no debugging data that the linker throws away, needs a
# fifth less time (etcd on 2 cores, 2026-11-26: 67 s of processor time, then 54 s).
ENVIRONMENT = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off", "GOGC": "400"}
BUILD = ("-mod=readonly", "-gcflags=all=-dwarf=false")


class Missing(Exception):
    """No Go on PATH, or one that is older than go.mod asks for: `found` says which, `oldest` what would do."""

    def __init__(self, found: str, oldest: str) -> None:
        super().__init__(found)
        self.found, self.oldest = found, oldest


def program(modules: Path) -> str:
    """Go's path, where it is new enough for the go.mod in `modules`."""
    oldest = re.search(r"^go (\d+)\.(\d+)", (modules / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert oldest, f"{modules / 'go.mod'} names no Go version"
    go = shutil.which("go")
    found = "no Go"
    if go is not None:
        try:
            found = progress.run([go, "env", "GOVERSION"], cwd=modules.parent, environment=environment()).strip()
        except progress.Failed as failure:
            found = str(failure)
        version = re.match(r"go(\d+)\.(\d+)", found)
        if version and (int(version[1]), int(version[2])) >= (int(oldest[1]), int(oldest[2])):
            return go
    raise Missing(found, f"Go {oldest[1]}.{oldest[2]} or newer")


def environment() -> dict[str, str]:
    """What Go is run with."""
    return os.environ | ENVIRONMENT
