"""What runs on this machine: from /proc where there is one (small images have no `ps`), else from `ps`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process: its number, its parent's, its group's leader, the name of its program and its command line."""

    number: int
    parent: int
    group: int
    name: str
    command: str


def running() -> dict[int, Process]:
    """Every process that has not ended, by number. Those that end meanwhile are left out."""
    found = _from_proc() if (_PROC / "self" / "stat").exists() else _from_ps()
    return {process.number: process for process in found}


def _from_proc() -> list[Process]:
    found: list[Process] = []
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            number, _, rest = (folder / "stat").read_text(errors="replace").partition(" (")
            command = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
        except OSError:  # it has just ended
            continue
        name, _, fields = rest.rpartition(") ")
        state, parent, group = fields.split()[:3]
        if state not in "ZX":
            found.append(Process(int(number), int(parent), int(group), name, command))
    return found


def _from_ps() -> list[Process]:
    columns = ["ps", "-Ao", "pid=,ppid=,pgid=,stat=,args="]
    listed = subprocess.run(columns, capture_output=True, text=True, check=True).stdout
    rows = (line.split(None, 4) for line in listed.splitlines())
    return [
        Process(int(row[0]), int(row[1]), int(row[2]), Path(row[4].split(" ")[0]).name, row[4])
        for row in rows
        if len(row) == 5 and not row[3].startswith("Z")
    ]
