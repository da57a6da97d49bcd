"""A small checkout with the real tools in it: installers and `make up` are tried without touching this one."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.pulumi import command_line
from tools.stack import processes

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).resolve().parent / "toy"
RUN_SECONDS = 90.0


@dataclass
class Checkout:
    """A checkout of the stand-in project; its commands see an empty home and none of the caller's Pulumi settings."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, status: int | None = 0, **environment: str) -> str:
        """Run a command to its end, check its status and return all that it printed."""
        process = self.start(*command, **environment)
        printed, _ = process.communicate(timeout=RUN_SECONDS)
        if status is not None:
            assert process.returncode == status, printed
        return printed

    def configure(self, **values: str) -> None:
        lines = "".join(f'  toy:{name}: "{value}"\n' for name, value in values.items())
        (self.root / "Pulumi.dev.yaml").write_text(f"# Owner's comment.\nconfig:\n{lines}")

    def resources(self) -> list[str]:
        """The types in the stack's state."""
        return [resource["type"] for resource in self.deployment().get("resources") or []]

    def deployment(self) -> dict[str, Any]:
        state = json.loads((self.root / ".slipway/state/.pulumi/stacks/toy/dev.json").read_text())
        return state["checkpoint"]["latest"] or {}

    def steps(self) -> list[str]:
        log = self.root / ".slipway" / "steps.log"
        return log.read_text().splitlines() if log.exists() else []

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
            time.sleep(0.05)

    def processes(self) -> list[str]:
        """What runs with a path of this checkout on its command line."""
        found = (f"{process.number} {process.command}" for process in processes.running().values())
        return [line for line in found if f"{self.root}/" in line]


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    """The tools alone: no .venv, no .tools, no CLI on PATH."""
    # The folder's name holds a space: people's home folders do.
    root = (tmp_path / "a checkout").resolve()
    root.mkdir()
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", root / "requirements")
    shutil.copytree(TOY, root, dirs_exist_ok=True)
    for name in (".gitignore", "Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "PYTEST_", "MAKE"))}
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder, "pulumi").exists()]
    # The Python that runs the tests comes first: what is tried here are the tools, not the machine's python3.
    folders.insert(0, str(Path(sys.base_prefix) / "bin"))
    # An installation of Go keeps its caches where they are, whatever HOME says.
    return Checkout(root, kept | {"HOME": str(home), "PATH": os.pathsep.join(folders)})


@pytest.fixture
def checkout(bare: Checkout) -> Iterator[Checkout]:
    """The stand-in project with this checkout's .venv and CLI, under git, everything committed."""
    (bare.root / ".venv").symlink_to(ROOT / ".venv")
    installed = command_line.installed()
    if installed:
        (bare.root / ".tools" / "pulumi").mkdir(parents=True)
        home = installed.folder.parent
        (bare.root / ".tools" / "pulumi" / home.name).symlink_to(home)
    else:
        on_path = command_line.find()
        assert on_path, "no Pulumi CLI: run `make test`, or tools/pulumi/install before pytest"
        bare.environment["PATH"] = f"{on_path.folder}{os.pathsep}{bare.environment['PATH']}"
    commit = "git init -q . && git add -A && git -c user.name=t -c user.email=t@localhost commit -qm toy"
    bare.run("sh", "-c", commit)
    yield bare
    left = bare.processes()
    for line in left:
        os.kill(int(line.split()[0]), 9)
    assert not left, "processes were left behind"
