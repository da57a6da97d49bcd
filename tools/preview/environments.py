"""Which stacks may be touched with credentials: those whose environment (`preview-STACK`) is there and asks reviewers.

A job that names an environment that is not there makes it, without any protection. So nobody names one unless it is set
up: an environment without reviewers would hand its credentials to whatever a pull request contains.
"""

import argparse
import json
from typing import Any

from tools.checkout import ROOT
from tools.preview.github import Forbidden, api, append, variable, warn
from tools.problem import run


def main(arguments: list[str]) -> int:
    """Print them, and hand them to the next job."""
    parser = argparse.ArgumentParser(prog="tools/preview/environments", description=__doc__)
    parser.add_argument("stacks", nargs="?", type=json.loads, help="a JSON list of names; unset, every stack file's")
    parser.add_argument("--prefix", default="preview-", help="what their environments' names begin with")
    parser.add_argument(
        "--branches",
        action="store_true",
        help="ask for a policy of branches in the place of reviewers: for what runs at night",
    )
    options = parser.parse_args(arguments)
    prefix: str = options.prefix
    stacks: list[str] = options.stacks if options.stacks is not None else _all()
    try:
        pages = api(f"repos/{variable('GITHUB_REPOSITORY')}/environments?per_page=100")
    except Forbidden as refusal:
        warn(f"This token may not read environments ({refusal}): no stack is touched with credentials.")
        pages = []
    found = {str(one["name"]): one for page in pages for one in page.get("environments", ())}
    guarded = _keeps_to_branches if options.branches else _asks_reviewers
    ready = [stack for stack in stacks if (one := found.get(prefix + stack)) and guarded(one)]
    missing = "policy of branches" if options.branches else "required reviewers"
    for stack in stacks:
        if prefix + stack in found and stack not in ready:
            warn(f"The environment {prefix}{stack} has no {missing}: `{stack}` is left out.")
    print(json.dumps(ready))
    append("GITHUB_OUTPUT", f"stacks={json.dumps(ready)}")
    return 0


def _all() -> list[str]:
    return sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))


def _asks_reviewers(environment: Any) -> bool:
    return any(
        rule.get("type") == "required_reviewers" and rule.get("reviewers")
        for rule in environment.get("protection_rules") or ()
    )


def _keeps_to_branches(environment: Any) -> bool:
    return bool(environment.get("deployment_branch_policy"))


if __name__ == "__main__":
    run(main)
