"""Finds what must not be in a shared file: package hosts, somebody's home folder, credentials."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tools.checkout import ROOT
from tools.problem import Problem, run

ALLOWED = "not-a-secret"  # a line with this word holds an example

# Written so that this file does not find itself.
_DOT = r"\."
_HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("registry" + _DOT + "npmjs", "org"),
    ("registry" + _DOT + "yarnpkg", "com"),
    ("proxy" + _DOT + "golang", "org"),
    ("sum" + _DOT + "golang", "org"),
    ("goproxy", "io"),
    ("rubygems", "org"),
    ("crates", "io"),
    ("anaconda", "org"),
    ("repo1?" + _DOT + "maven", ""),
)
_RULES = (
    (
        "a package host",
        re.compile("|".join(rf"\b{name}{_DOT}{domain}" for name, domain in _HOSTS)),
        "name packages by name and version; the host is the user's configuration",
    ),
    (
        "a package host",
        re.compile("^--(?:extra-)?index-url|^--find-links", re.MULTILINE),
        "leave the index to the user's pip configuration",
    ),
    (
        "a home folder",
        re.compile(r"(?<![\w.$}-])/(?:ro" r"ot|ho" r"me/[a-z][\w.-]*|Us" r"ers/[A-Za-z][\w.-]*)/"),
        "write the path from the checkout, or ~",
    ),
    (
        "a credential",
        re.compile(
            r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bhf_[A-Za-z0-9]{30,}"
            r"|\bpul-[0-9a-f]{40}\b|\bsk-[A-Za-z0-9_-]{40,}|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{35}\b"
            r"|-----BEGIN [A-Z ]*PRIVATE K"
            r"EY-----|://[^\s/:@{}$<>'\"]+:[^\s/@{}$<>'\"]{3,}@"
        ),
        f"remove it and revoke it; an example says so on its line ({ALLOWED})",
    ),
)


def main(arguments: list[str]) -> int:
    """Look through every file that git tracks or would add."""
    del arguments
    findings = [finding for path in _shared_files() for finding in _findings(path)]
    if findings:
        raise Problem(
            where="\n".join(f"{place}: {found}" for place, found, _ in findings),
            found=f"{len(findings)} thing(s) that must not be in a shared file",
            allowed="neither package hosts nor home folders nor credentials",
            do="\n".join(sorted({do for _, _, do in findings})),
        )
    return 0


def _shared_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    paths = (ROOT / name for name in listed.split("\0") if name)
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def _findings(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(lines, 1):
        if ALLOWED in line:
            continue
        for kind, pattern, do in _RULES:
            if match := pattern.search(line):
                shown = "" if kind == "a credential" else f" ({match.group()})"
                yield f"{path.relative_to(ROOT)}:{number}", f"{kind}{shown}", do


if __name__ == "__main__":
    run(main)
