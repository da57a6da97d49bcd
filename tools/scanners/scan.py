"""Renders a stack, scans it, and says what was found: `make scan STACK=S`. Runs in .venv."""

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.problems import Refused
from infra.render.command import CHARTS, PLAN, rendered, text
from infra.render.hidden_pods import hidden_pods
from infra.render.kubernetes import manifests
from infra.render.registrations import Registration
from infra.render.stack import registrations
from tools.checkout import ROOT
from tools.scanners import checkov, schemas
from tools.scanners.install import install

ACCEPTED = Path(__file__).parent / "accepted.csv"


@dataclass(frozen=True)
class Scan:
    """`pods` counts those inside custom resources, which were scanned too; `kinds` are without a schema."""

    pods: int
    kubernetes: checkov.Findings
    clouds: checkov.Findings
    wrong: tuple[str, ...]
    unknown: frozenset[str]

    @property
    def found(self) -> set[checkov.Finding]:
        """Everything that needs a reason."""
        return {*self.kubernetes.failed, *self.kubernetes.skipped, *self.clouds.failed, *self.clouds.skipped}


def scan(python: Path, seen: Iterable[Registration], folder: Path) -> Scan:
    """Renders what was registered into `folder` and scans that."""
    seen = list(seen)
    pods = hidden_pods(manifests(seen))
    files = rendered(seen) | {path: text(pod) for path, pod in pods.items()}
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    objects = [folder / path for path in files if path not in (PLAN, CHARTS)]
    validity = [schemas.hold(python, objects, version) for version in schemas.VERSIONS if objects]
    return Scan(
        pods=len(pods),
        kubernetes=checkov.look(python, folder, "kubernetes"),
        clouds=checkov.look(python, folder, "terraform_plan") if PLAN in files else checkov.NOTHING,
        wrong=tuple(line for one in validity for line in one.wrong),
        unknown=frozenset[str]().union(*(one.unknown for one in validity)),
    )


def accepted() -> dict[tuple[str, str], str]:
    """The reason of every finding that stays, by check and resource."""
    with ACCEPTED.open(encoding="utf-8", newline="") as file:
        return {(row["check"], row["resource"]): row["reason"] for row in csv.DictReader(file)}


def unexplained(found: Iterable[checkov.Finding], reasons: dict[tuple[str, str], str]) -> list[checkov.Finding]:
    """What was found and has no reason."""
    return sorted(one for one in found if not reasons.get((one.check, one.resource)))


def report(stack: str, result: Scan) -> str:
    """What was looked at, and every finding."""
    reasons = accepted()
    lines = [
        f"{stack}: {len(unexplained(result.found, reasons))} findings, {len(result.wrong)} not as the schemas say",
        f"  checkov, Kubernetes  {result.kubernetes.passed} passed on {result.kubernetes.resources} resources, "
        f"{result.pods} pods inside custom resources among them",
        f"  checkov, clouds      {result.clouds.passed} passed on {result.clouds.resources} resources",
        f"  strict schemas       of Kubernetes {' and '.join(schemas.VERSIONS)}; without one: "
        f"{', '.join(sorted(result.unknown)) or 'none'}",
    ]
    for one in sorted(result.found):
        reason = reasons.get((one.check, one.resource))
        lines.append(f"  {'accepted' if reason else 'FAILED'}  {one.check} {one.resource}: {reason or one.what}")
    return "\n".join([*lines, *(f"  FAILED  {line}" for line in result.wrong)])


def main(arguments: list[str]) -> int:
    """Scans one stack; 1 where something was found that has no reason."""
    parser = argparse.ArgumentParser(prog="tools/scanners/scan", description=__doc__)
    parser.add_argument("--stack", default="dev")
    stack: str = parser.parse_args(arguments).stack
    try:
        seen = registrations(ROOT / f"Pulumi.{stack}.yaml", stack)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="slipway-scan-") as folder:
        result = scan(install(), seen, Path(folder))
    print(report(stack, result))
    return 1 if result.wrong or unexplained(result.found, accepted()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
