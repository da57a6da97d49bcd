"""`python -m infra dashboards`: a stack's dashboards as files, for a Grafana that nobody here reaches."""

from __future__ import annotations

import json
from pathlib import Path

from infra.chosen_site import site_in_file
from infra.load import load_file
from infra.naming import DEPLOYMENT_KEY
from infra.plan.build import build_plan
from infra.problems import Problem, Refused
from infra.render.folder import write


def run(stack: str, out: Path, root: Path) -> int:
    """Writes `SITE/NAME.json` of every site that this stack deploys and whose metrics are kept. Raises Refused."""
    path = root / f"Pulumi.{stack}.yaml"
    plan = build_plan(load_file(path), stack, site=site_in_file(path))
    files = {
        f"{site}/{name}": json.dumps(board, indent=1, sort_keys=True) + "\n"
        for site in plan.deployed_sites
        for name, board in getattr(plan.sites[site].details, "dashboards", {}).items()
    }
    if not files:
        problem = Problem(
            where=f"{DEPLOYMENT_KEY}.sites",
            found="no site whose metrics anybody keeps",
            allowed="`prometheus: true` on a cluster of your own, or a `prometheus_workspace` on AWS",
            remedy="set one of them first",
        )
        raise Refused(f"the stack `{stack}`", [problem])
    write(out, files)
    print(f"{len(files)} dashboards in {out}")
    return 0
