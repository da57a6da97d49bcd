"""Which stacks may be previewed with credentials: those whose environment `preview-STACK` is there and asks reviewers.

A job that names an environment that is not there makes it, without any protection. So nobody names one unless it is set
up: an environment without reviewers would hand its credentials to whatever a pull request contains.
"""

import argparse
import json
from typing import Any

from tools.preview.github import Forbidden, api, append, variable, warn
from tools.problem import run

PREFIX = "preview-"


def main(arguments: list[str]) -> int:
    """Print them, and hand them to the next job."""
    parser = argparse.ArgumentParser(prog="tools/preview/environments", description=__doc__)
    parser.add_argument("stacks", type=json.loads, help="a JSON list of names")
    stacks: list[str] = parser.parse_args(arguments).stacks
    try:
        pages = api(f"repos/{variable('GITHUB_REPOSITORY')}/environments?per_page=100")
    except Forbidden as refusal:
        warn(f"This token may not read environments ({refusal}): nothing is previewed with credentials.")
        pages = []
    found = {str(one["name"]): one for page in pages for one in page.get("environments", ())}
    ready = [stack for stack in stacks if (one := found.get(PREFIX + stack)) and _asks_reviewers(one)]
    for stack in stacks:
        if PREFIX + stack in found and stack not in ready:
            warn(f"The environment {PREFIX}{stack} has no required reviewers: `{stack}` is not previewed.")
    print(json.dumps(ready))
    append("GITHUB_OUTPUT", f"stacks={json.dumps(ready)}")
    return 0


def _asks_reviewers(environment: Any) -> bool:
    return any(
        rule.get("type") == "required_reviewers" and rule.get("reviewers")
        for rule in environment.get("protection_rules") or ()
    )


if __name__ == "__main__":
    run(main)
