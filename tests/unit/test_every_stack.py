"""Every stack that ships is planned by the command that its reader types, in every format."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from infra.__main__ import main
from infra.report import FORMATS

ROOT = Path(__file__).resolve().parents[2]
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
# What is whole, and of that stack.
WHOLE: dict[str, Callable[[str, str], bool]] = {
    "text": lambda said, stack: said.startswith(f"stack {stack}: ") and "\nSITES\n" in said,
    "json": lambda said, stack: json.loads(said)["stack"] == stack,
    "markdown": lambda said, stack: said.startswith(f"### Plan of `{stack}`: ") and said.count("```mermaid") == 1,
    "html": lambda said, stack: ElementTree.fromstring(said).findtext(".//h1") == stack,
    "svg": lambda said, stack: str(ElementTree.fromstring(said)[0].text).startswith(f"{stack}: "),
}


def test_every_format_is_tried() -> None:
    assert WHOLE.keys() == set(FORMATS.builtin)


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_is_planned_in_every_format(stack: str, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--stack", stack, "--format", form]) == 0
    said, complaints = capsys.readouterr()
    assert complaints == ""
    assert WHOLE[form](said, stack)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("stack", STACKS)
def test_make_plan_shows_it(stack: str) -> None:
    ran = subprocess.run(["make", "plan", f"STACK={stack}"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert WHOLE["text"](ran.stdout, stack)
