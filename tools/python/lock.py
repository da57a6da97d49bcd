"""Makes requirements/*.txt: one hashed lock per extra, for Linux (x86-64, arm64) and macOS, Python 3.11 and newer.

Every lock but those of tools with an environment of their own is compiled against one common set of versions, so any
of them can be installed together.
No package is younger than a week: what is wrong with a release is mostly found in its first days.
"""

import argparse
import datetime
import os
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from tools import progress
from tools.checkout import ROOT, TOOLS, require_room
from tools.problem import Problem, run

UV = "uv==0.13.9"
LOCKS = ROOT / "requirements"
PROJECTS = (ROOT / "pyproject.toml", ROOT / "serving_image" / "pyproject.toml")
EXTRAS = ("local", "kubernetes", "aws", "gcp", "images", "policy", "aiconfigurator", "dev")
# Extras of an environment of their own: no version of theirs has to fit the others'.
ALONE = ("scanners", "making", "tuning", "lm_evaluation_harness")
# Extras that hold tools only; the others hold all that the program imports.
TOOLS_ONLY = ("dev", *ALONE)
# No extra, but a lock as well: what the gateway needs and nothing else, for its image.
GATEWAY = "gateway"
WEEK = datetime.timedelta(days=7)


def main(arguments: list[str]) -> int:
    """Write every lock again from the two pyproject files."""
    parser = argparse.ArgumentParser(prog="tools/python/lock", description=__doc__)
    a_week_ago = datetime.datetime.now(datetime.UTC).date() - WEEK
    parser.add_argument("--exclude-newer", type=datetime.date.fromisoformat, default=a_week_ago, metavar="YYYY-MM-DD")
    newest = parser.parse_args(arguments).exclude_newer
    if newest > a_week_ago:
        raise Problem(
            where="--exclude-newer",
            found=str(newest),
            allowed=f"{a_week_ago} or earlier: locked packages are at least a week old",
            do="Leave the option out, or name an earlier day.",
        )
    require_room(TOOLS, 200, "uv and its cache")
    LOCKS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="slipway-lock-") as scratch:
        try:
            _write(Path(scratch), newest)
        except progress.Failed as failure:
            raise Problem(
                where="requirements/*.txt, from pyproject.toml and serving_image/pyproject.toml",
                found=str(failure),
                allowed="requirements that one set of versions satisfies, and a package index that answers",
                do="Change the requirement named above, or repair the connection to your package index.",
            ) from None
    return 0


def _write(scratch: Path, newest: datetime.date) -> None:
    uv = _uv()
    common = scratch / "common.txt"
    with progress.step("choosing versions", "5 s"):
        _compile(uv, [*map(str, PROJECTS), *(f"--extra={extra}" for extra in EXTRAS)], common, newest)
    for extra in (*EXTRAS, GATEWAY, *ALONE):
        with progress.step(f"writing requirements/{extra}.txt", "2 s"):
            lock = scratch / f"{extra}.txt"
            options = [*_sources(extra, scratch), "--generate-hashes"]
            _compile(uv, options if extra in ALONE else [*options, f"--constraints={common}"], lock, newest)
            text = lock.read_text(encoding="utf-8")
            _refuse_hosts(extra, text)
            (LOCKS / lock.name).write_text(_header(extra, newest) + text, encoding="utf-8")


def _sources(extra: str, scratch: Path) -> list[str]:
    """What goes into the lock of one extra."""
    if extra in TOOLS_ONLY:
        project = tomllib.loads(PROJECTS[0].read_text(encoding="utf-8"))["project"]
        tools_only = scratch / f"{extra}.in"
        tools_only.write_text("\n".join(project["optional-dependencies"][extra]), encoding="utf-8")
        return [str(tools_only)]
    if extra == GATEWAY:
        return [str(PROJECTS[1])]
    projects = PROJECTS if extra == "local" else PROJECTS[:1]
    return [*map(str, projects), f"--extra={extra}"]


def _compile(uv: Path, sources: list[str], output: Path, newest: datetime.date) -> None:
    command = [str(uv), "pip", "compile", *sources, "--universal", "--python-version=3.11", "--no-annotate"]
    command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-python-downloads", "--quiet"]
    environment = os.environ | {"UV_PYTHON": sys.executable}
    progress.run(
        [*command, f"--exclude-newer={newest}T00:00:00Z", f"--output-file={output}"], cwd=ROOT, environment=environment
    )


def _header(extra: str, newest: datetime.date) -> str:
    what = "the gateway's image" if extra == GATEWAY else f"the extra `{extra}`"
    return f"# What {what} installs. Made by `make lock`; no package is newer than {newest}.\n"


def _refuse_hosts(extra: str, text: str) -> None:
    found = re.search(r"\w+://\S+", text)
    if found:
        raise Problem(
            where=f"requirements/{extra}.txt",
            found=found.group(),
            allowed="names, versions and hashes: a lock must work with any package index",
            do="Require the package by name and version in pyproject.toml.",
        )


def _uv() -> Path:
    """uv from the package index, in an environment of its own that no other tool sees."""
    folder = TOOLS / UV.replace("==", "-")
    program = folder / "bin" / "uv"
    if not program.exists():
        shutil.rmtree(folder, ignore_errors=True)
        with progress.step(f"installing {UV} into .tools", "10 s"):
            progress.run([sys.executable, "-m", "venv", str(folder)], cwd=ROOT)
            progress.run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", UV], cwd=ROOT)
    return program


if __name__ == "__main__":
    run(main)
