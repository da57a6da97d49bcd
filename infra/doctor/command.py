"""`python -m infra doctor`: the table, and 1 where something that is required is missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from infra.chosen_site import site_in_file
from infra.doctor.examine import examine
from infra.doctor.table import is_missing, to_json, to_table
from infra.load import load_file
from infra.plan.build import build_plan


def run(stack: str, form: str, root: Path) -> int:
    """Looks at everything, prints it, and says by its status whether a deployment can work."""
    path = root / f"Pulumi.{stack}.yaml"
    plan = build_plan(load_file(path), stack, site=site_in_file(path))
    found = examine(plan)
    if form == "json":
        print(to_json(plan.stack, found))
    else:
        # https://no-color.org: a variable that is set and not empty.
        colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(to_table(plan.stack, found, width=shutil.get_terminal_size((120, 24)).columns, colours=colours))
    return int(is_missing(found))
