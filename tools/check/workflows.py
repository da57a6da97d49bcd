"""Lints the GitHub workflows: zizmor for what they let others do, actionlint for what they mean. Both offline.

zizmor is of the extra `dev`; actionlint is built once from the Go modules in tools/actionlint, into .tools. Where there
is no Go to build it with, it is left out and the reason is printed: a runner of the CI workflow has one.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tools import progress
from tools.checkout import ROOT, TOOLS, VENV, one_at_a_time
from tools.problem import Problem, run

MODULES = ROOT / "tools" / "actionlint"
COMMAND = "github.com/rhysd/actionlint/cmd/actionlint"
WORKFLOWS = ".github/workflows"


class Missing(Exception):
    """A linter cannot be had here; the message says why."""


def main(arguments: list[str]) -> int:
    """Run both, show everything that either finds."""
    del arguments
    found: list[str] = []
    for linter in (_zizmor, _actionlint):
        try:
            command = linter()
        except Missing as missing:
            progress.say(f"workflows are not checked by {linter.__name__.strip('_')}: {missing}")
            continue
        ran = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if ran.returncode:
            found.append(ran.stdout.strip() or f"{command[0]} ended with status {ran.returncode} and said nothing")
    if found:
        raise Problem(
            where=WORKFLOWS,
            found="\n\n".join(found),
            allowed="workflows that neither zizmor nor actionlint has a word about",
            do="Change what they name; each finding says what is safe instead.",
        )
    return 0


def _zizmor() -> list[str]:
    program = shutil.which("zizmor", path=os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)]))
    if program is None:
        raise Missing("it is not in .venv; tools/python/install dev puts it there")
    return [program, "--offline", "--no-progress", "--color=never", "--quiet", "--pedantic", WORKFLOWS]


def _actionlint() -> list[str]:
    program = TOOLS / "actionlint" / _version() / "actionlint"
    if not program.exists():
        with one_at_a_time("actionlint"):
            _build(program)
    # Without other linters that some machines have and others have not.
    return [
        str(program),
        "-no-color",
        "-shellcheck=",
        "-pyflakes=",
        *map(str, sorted((ROOT / WORKFLOWS).glob("*.yml"))),
    ]


def _build(program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise Missing("no Go on PATH to build it with")
    program.parent.mkdir(parents=True, exist_ok=True)
    unfinished = program.with_name(f".actionlint.{os.getpid()}")
    environment = os.environ | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off"}
    try:
        with progress.step(f"building actionlint {_version()} from its Go modules", "10 s, once"):
            command = [go, "build", "-mod=readonly", "-ldflags=-s -w", "-o", str(unfinished), COMMAND]
            progress.run(command, cwd=MODULES, environment=environment)
        unfinished.replace(program)
    except progress.Failed as failure:
        raise Missing(f"it cannot be built: {failure}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _version() -> str:
    required = re.search(r"github\.com/rhysd/actionlint v(\S+)", (MODULES / "go.mod").read_text(encoding="utf-8"))
    assert required, "tools/actionlint/go.mod requires no github.com/rhysd/actionlint"
    return required[1]


if __name__ == "__main__":
    run(main)
