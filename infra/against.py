"""The plan that another one is compared with: of a file, or of a revision, planned by that revision's own code.

A change of code changes plans too, so an older stack file planned by the code of now would hide half of it. The
revision's files go into a folder of their own; its code runs there in a process of its own, without this checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

from infra.explain import presentable, shown
from infra.plan.change_types import PlanChanges
from infra.plan.changes import compare
from infra.plan.plan_data import Data, is_plan
from infra.plan.types import DeploymentPlan
from infra.problems import Problem, Refused

OPTION = "--against"
ALLOWED = "a revision that git knows here, such as `origin/main`, or a plan in a file that ends in `.json`"
LONGEST_GIT_SECONDS, LONGEST_PLAN_SECONDS = 60, 120
# No variable of Python's, Pulumi's or a cloud's: an older plan depends on its files only.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
_PLAN = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("infra", run_name="__main__")
"""


@dataclass(frozen=True, kw_only=True)
class EarlierPlan:
    """What to compare with. `plan` is None where the stack was not there, or could not be planned; `notes` say why."""

    name: str
    plan: Data | None
    notes: tuple[str, ...] = ()


def plan_changes(plan: DeploymentPlan, against: str, checkout: Path, today: date) -> PlanChanges:
    """What a plan changes against the one in a file, or that of its stack at a revision. Raises Refused."""
    from infra.report import to_data

    earlier = earlier_plan(against, plan.stack, checkout, today)
    return compare(earlier.plan, to_data(plan), earlier.name, earlier.notes)


def earlier_plan(against: str, stack: str, checkout: Path, today: date) -> EarlierPlan:
    """The plan in a file, or that of the stack at a revision. Raises Refused."""
    return _of_file(Path(against)) if against.endswith(".json") else _of_revision(against, stack, checkout, today)


def _of_file(path: Path) -> EarlierPlan:
    try:
        value: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        found = error.strerror if isinstance(error, OSError) and error.strerror else "no JSON"
        raise _refused(f"{shown(str(path))}: {found}", "a plan in a file", _how_to_plan(path)) from None
    if not is_plan(value):
        raise _refused(
            f"{shown(str(path))}: JSON without the plan's keys `stack`, `sites` and `models`",
            "what `python -m infra plan --format json` prints",
            _how_to_plan(path),
        )
    return EarlierPlan(name=presentable(path.name), plan=value)


def _how_to_plan(path: Path) -> str:
    return f"write one: `python -m infra plan --stack STACK --format json > {presentable(path.name)}`"


def _of_revision(revision: str, stack: str, checkout: Path, today: date) -> EarlierPlan:
    commit = _commit(revision, checkout)
    name = presentable(revision) if commit.startswith(revision) else f"{presentable(revision)} ({commit[:12]})"
    with tempfile.TemporaryDirectory(prefix="slipway-against-") as scratch:
        folder = Path(scratch)
        _unpack(_git(checkout, "archive", "--format=tar", commit), folder)
        if not (folder / f"Pulumi.{stack}.yaml").is_file():
            return EarlierPlan(name=name, plan=None, notes=(f"{name} has no `Pulumi.{stack}.yaml`: all of it is new",))
        plan, why = _by_its_own_code(folder, stack)
        return EarlierPlan(name=name, plan=plan) if plan is not None else _by_this_code(name, folder, stack, today, why)


def _commit(revision: str, checkout: Path) -> str:
    if not revision.strip() or not revision.isprintable():
        raise _refused(shown(revision), ALLOWED, "name one")
    try:
        return (
            _git(checkout, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            .decode()
            .strip()
        )
    except subprocess.CalledProcessError as error:
        said = presentable((error.stderr or b"").decode(errors="replace").strip())
        if said:
            raise _refused(
                f"{shown(revision)}, and git says: {said}", ALLOWED, "run it in a clone of the project"
            ) from None
    if _git(checkout, "rev-parse", "--is-shallow-repository").strip() == b"true":
        raise _refused(
            f"{shown(revision)}, which is not in this shallow clone",
            ALLOWED,
            "`git fetch --unshallow`, or just that one: `git fetch --depth=1 origin main:refs/remotes/origin/main`",
        )
    raise _refused(
        f"{shown(revision)}, which git does not know here",
        ALLOWED,
        "`git fetch`, then see `git branch --all` and `git tag`",
    )


def _git(checkout: Path, *arguments: str) -> bytes:
    """What git prints. A `CalledProcessError` is its refusal."""
    try:
        return subprocess.run(
            ["git", *arguments], cwd=checkout, capture_output=True, check=True, timeout=LONGEST_GIT_SECONDS
        ).stdout
    except FileNotFoundError:
        raise _refused("no git on PATH", ALLOWED, "install git, or give a plan in a file") from None
    except subprocess.TimeoutExpired:
        raise _refused(
            f"git that takes more than {LONGEST_GIT_SECONDS} s", ALLOWED, "try it again, or give a plan in a file"
        ) from None


def _unpack(archive: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        # A link in an old revision is none of the planner's business, and may lead anywhere.
        for member in files.getmembers():
            if member.isfile() or member.isdir():
                files.extract(member, folder, filter="data")


def _by_its_own_code(folder: Path, stack: str) -> tuple[Data | None, str]:
    """The plan, or why there is none. Only its output is believed, and only if it is a plan."""
    command: Sequence[str] = (sys.executable, "-I", "-B", "-c", _PLAN, str(folder))
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    try:
        ran = subprocess.run(
            [*command, "plan", "--stack", stack, "--format", "json"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_PLAN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"took more than {LONGEST_PLAN_SECONDS} s"
    try:
        value: Any = json.loads(ran.stdout)
    except ValueError:
        lines = ran.stderr.decode(errors="replace").strip().splitlines()
        return None, presentable(
            lines[0] if ran.returncode == 1 and not lines[0].startswith("Traceback") else lines[-1]
        ) if lines else "said nothing"
    return (value, "") if is_plan(value) else (None, "printed no plan")


def _by_this_code(name: str, folder: Path, stack: str, today: date, why: str) -> EarlierPlan:
    from infra.chosen_site import site_in_file
    from infra.load import load_file
    from infra.plan.build import build_plan
    from infra.report import to_data

    path = folder / f"Pulumi.{stack}.yaml"
    try:
        plan = to_data(build_plan(load_file(path), stack, today, site_in_file(path)))
    except Refused as refused:
        count = len(refused.problems)
        return EarlierPlan(
            name=name,
            plan=None,
            notes=(
                f"{name}: its stack could not be planned, neither by its own code ({why}) nor by this one "
                f"({count} problem{'' if count == 1 else 's'}): nothing is compared, all is listed as new",
            ),
        )
    return EarlierPlan(
        name=name,
        plan=plan,
        notes=(
            f"{name}: its own code did not plan it ({why}); its stack file was planned by this code, so that changes "
            "of code do not show",
        ),
    )


def _refused(found: str, allowed: str, remedy: str) -> Refused:
    return Refused(f"`{OPTION}`", [Problem(where=OPTION, found=found, allowed=allowed, remedy=remedy)])
