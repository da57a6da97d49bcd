"""Which stacks a pull request changes: by their own files, or all of them where what plans them changed."""

import re
import subprocess

from tools.checkout import ROOT
from tools.problem import Problem

# Names come from files of a pull request and go into commands, job names and an environment's name.
STACK = re.compile(r"Pulumi\.([A-Za-z0-9][A-Za-z0-9_-]{0,99})\.yaml")
# Whatever is below or is one of these may change any plan.
OF_ALL = ("infra/", "requirements/", "pyproject.toml", "Pulumi.yaml")


def stacks() -> list[str]:
    """All that this checkout has."""
    return sorted(match[1] for path in ROOT.glob("Pulumi.*.yaml") if (match := STACK.fullmatch(path.name)))


def changed_stacks(base: str) -> tuple[list[str], list[str]]:
    """Those to plan, and those whose file is gone."""
    files = _changed_files(base)
    here = stacks()
    named = {match[1] for file in files if (match := STACK.fullmatch(file))}
    whole = any(file.startswith(OF_ALL) for file in files)
    return [stack for stack in here if whole or stack in named], sorted(named - set(here))


def _changed_files(base: str) -> list[str]:
    """Since the base and this went apart, so that what others did to the base meanwhile is not taken for a change."""
    command = ["git", "diff", "--name-only", "--no-renames", "-z", "--end-of-options", f"{base}...HEAD", "--"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if ran.returncode:
        raise Problem(
            where=f"git diff {base}...HEAD",
            found=ran.stderr.decode(errors="replace").strip(),
            allowed="a revision that this clone has, with the history that both come from",
            do="Fetch it (git fetch --unshallow; in a workflow: `fetch-depth: 0`), or name another --base.",
        )
    return [name for name in ran.stdout.decode(errors="replace").split("\0") if name]
