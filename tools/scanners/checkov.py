"""Runs checkov over rendered files, offline, and says what it found."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANNOT = "checkov could not be run"


@dataclass(frozen=True, order=True)
class Finding:
    """A check that a resource did not pass, or that its manifest says to skip."""

    check: str
    resource: str
    what: str


@dataclass(frozen=True)
class Findings:
    """`passed` counts checks, `resources` what was looked at."""

    passed: int
    resources: int
    failed: tuple[Finding, ...]
    skipped: tuple[Finding, ...]


NOTHING = Findings(passed=0, resources=0, failed=(), skipped=())


def look(python: Path, folder: Path, framework: str) -> Findings:
    """What checkov says of every file in `folder`. Raises RuntimeError where it could not read one."""
    command = [str(python), "-m", "checkov.main", "--directory", str(folder), "--framework", framework]
    command += ["--output", "json", "--compact", "--skip-download", "--soft-fail"]
    # Where it runs it looks for settings, which may switch checks off.
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"{CANNOT}: {done.stderr[-2000:] or done.stdout[-2000:]}") from None
    if "results" not in report:  # it found nothing that it knows
        return NOTHING
    if report["summary"]["parsing_errors"]:
        raise RuntimeError(f"{CANNOT} on {report['results']['parsing_errors']}")
    results = report["results"]
    return Findings(
        passed=len(results["passed_checks"]),
        resources=report["summary"]["resource_count"],
        failed=_findings(results["failed_checks"]),
        skipped=_findings(results["skipped_checks"]),
    )


def _findings(checks: list[dict[str, Any]]) -> tuple[Finding, ...]:
    return tuple(sorted({Finding(one["check_id"], one["resource"], one["check_name"]) for one in checks}))
