"""Prints the commit that a stack was last deployed from without an error; nothing where there is none.

Pulumi has no way back: a rollback is the deployment of that commit. It keeps the commit with each update.
"""

import argparse

from tools.deploy.asked import asked
from tools.preview.github import append
from tools.problem import run

# The newest first; a page has ten where nothing is said.
HISTORY = ("pulumi", "stack", "history", "--json", "--page-size", "200", "--page", "1")


def main(arguments: list[str]) -> int:
    """Print it, and hand it to the next step of a workflow."""
    parser = argparse.ArgumentParser(prog="tools/deploy/deployed", description=__doc__)
    parser.add_argument("--stack", required=True)
    stack = parser.parse_args(arguments).stack
    good = (
        update["environment"]["git.head"]
        for update in asked(*HISTORY, "--stack", stack) or []
        if update.get("kind") == "update"
        and update.get("result") == "succeeded"
        # What was never committed cannot be deployed again.
        and update.get("environment", {}).get("git.dirty") != "true"
        and update.get("environment", {}).get("git.head")
    )
    commit = next(good, "")
    print(commit)
    append("GITHUB_OUTPUT", f"commit={commit}")
    return 0


if __name__ == "__main__":
    run(main)
