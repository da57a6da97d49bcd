"""`python -m infra render`: the files of a stack, and what they are in three lines."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.problems import Problem, Refused
from infra.render.charts import charts, is_fixed
from infra.render.folder import write
from infra.render.kubernetes import PREFIX, is_object, manifests
from infra.render.readable import Readable
from infra.render.registrations import Registration
from infra.render.stack import registrations
from infra.render.terraform.plan import of_a_cloud, terraform_plan, unmapped

PLAN, CHARTS = "tfplan.json", "charts.json"
HEADER = "# Rendered by `make render`; a change here changes nothing.\n"


def run(path: Path, stack: str, out: Path) -> int:
    """Renders the stack in that file into `out` and says what is there."""
    # What the program logs is for who deploys it; the plan says the same.
    logging.getLogger().addHandler(logging.NullHandler())
    seen = registrations(path, stack)
    if problems := [*unrenderable(seen), *unmapped(seen)]:
        raise Refused(f"the stack `{stack}`", problems)
    files = rendered(seen)
    write(out, files)
    print(summary(stack, seen, files, out))
    return 0


def rendered(seen: Iterable[Registration]) -> dict[str, str]:
    """Every file's text by its path."""
    seen = list(seen)
    files = {path: HEADER + text(found) for path, found in manifests(seen).items()}
    whole = {PLAN: terraform_plan(seen), CHARTS: charts(seen)}
    return files | {path: json.dumps(found, indent=2, sort_keys=True) + "\n" for path, found in whole.items() if found}


def text(found: Mapping[str, Any]) -> str:
    """A manifest as YAML."""
    return yaml.dump(dict(found), Dumper=Readable, sort_keys=True, allow_unicode=True, width=120)


def unrenderable(seen: Iterable[Registration]) -> list[Problem]:
    """What is made somewhere and has no file's form: nothing is left out silently."""
    return [
        Problem(
            where=f"{one.type} `{one.name}`",
            found="a type that makes its objects elsewhere, so that nobody can see them here",
            allowed="objects of Kubernetes with a `kind`, and charts of a fixed version",
            remedy="make each object a resource of its own, or name the chart's version",
        )
        for one in seen
        if one.custom and one.type.startswith(PREFIX) and not is_object(one) and not is_fixed(one)
    ]


def summary(stack: str, seen: Iterable[Registration], files: Mapping[str, str], out: Path) -> str:
    """How much of what is where."""
    seen = list(seen)
    kinds = Counter(one.inputs["kind"] for one in seen if is_object(one))
    if not files:
        return f"{stack}: no object of Kubernetes and no resource of a cloud; nothing to render"
    clouds = sum(map(of_a_cloud, seen))
    resources = f"\n  {clouds} resources of clouds in {out / PLAN}" if clouds else ""
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    listed = f"\n  {counted}" if counted else ""
    released = sum(map(is_fixed, seen))
    further = f"\n  {released} charts, not what they make, in {out / CHARTS}" if released else ""
    return f"{stack}: {sum(kinds.values())} Kubernetes objects in {out}{listed}{resources}{further}"
