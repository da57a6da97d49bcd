"""`tools/check/workflows`: red for what either linter finds, and a printed reason for a linter that is not there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.check import workflows

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path("actionlint", workflows._version(), "actionlint")
# Of the interpreter that the virtual environment was made with: beside its own copy are the linters.
BARE = f"{Path(sys.base_prefix, 'bin')}:/usr/bin:/bin"
GOOD = """
name: good
on: push
permissions: {}
concurrency: {group: good, cancel-in-progress: true}
jobs:
  one:
    name: one
    runs-on: ubuntu-24.04
    steps:
      - run: echo
"""
UNSAFE = GOOD.replace("- run: echo", "- run: echo '${{ github.event.head_commit.message }}'")
MEANINGLESS = GOOD.replace("- run: echo", "- run: echo\n        if: steps.nothing.outputs.x == ''\n        shall: be")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for folder in ("check", "python", "actionlint"):
        shutil.copytree(ROOT / "tools" / folder, root / "tools" / folder)
    for file in ("__init__.py", "checkout.py", "problem.py", "progress.py"):
        shutil.copy(ROOT / "tools" / file, root / "tools" / file)
    (root / ".github/workflows").mkdir(parents=True)
    return root


def check(checkout: Path, content: str, status: int) -> str:
    (checkout / ".github/workflows/one.yml").write_text(content, encoding="utf-8")
    ran = subprocess.run(
        ["tools/check/workflows"],
        cwd=checkout,
        env={"PATH": BARE, "HOME": str(checkout)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == status, ran.stderr
    return ran.stderr


def with_actionlint(checkout: Path) -> None:
    if not (ROOT / ".tools" / PROGRAM).exists():
        pytest.skip("actionlint is not built here: `make check` does, where there is Go")
    (checkout / ".tools" / PROGRAM).parent.mkdir(parents=True)
    shutil.copy(ROOT / ".tools" / PROGRAM, checkout / ".tools" / PROGRAM)


def with_zizmor(checkout: Path) -> None:
    found = shutil.which("zizmor", path=f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("zizmor is not in .venv: `tools/python/install dev` puts it there")
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/zizmor").symlink_to(found)


def test_what_means_nothing_is_red(checkout: Path) -> None:
    with_actionlint(checkout)
    assert "by actionlint" not in check(checkout, GOOD, 0)
    said = check(checkout, MEANINGLESS, 1)
    assert 'unexpected key "shall"' in said
    assert "where    .github/workflows" in said


def test_what_is_unsafe_is_red(checkout: Path) -> None:
    with_zizmor(checkout)
    assert "by zizmor" not in check(checkout, GOOD, 0)
    assert "template-injection" in check(checkout, UNSAFE, 1)


def test_a_linter_that_is_not_here_is_said(checkout: Path) -> None:
    if shutil.which("go", path=BARE) or shutil.which("zizmor", path=BARE):
        pytest.skip("this machine has Go or zizmor beside its Python")
    said = check(checkout, UNSAFE, 0)
    assert "not checked by zizmor: it is not in .venv" in said
    assert "not checked by actionlint: no Go on PATH to build it with" in said
