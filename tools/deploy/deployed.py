"""Prints the commit that a stack was last deployed from without an error; nothing where there is none.

Pulumi has no way back: a rollback is the deployment of that commit. It keeps the commit with each update.
"""

import argparse

from tools.deploy.history import updates
from tools.preview.github import append
from tools.problem import run


def main(arguments: list[str]) -> int:
    """Print it, and hand it to the next step of a workflow."""
    parser = argparse.ArgumentParser(prog="tools/deploy/deployed", description=__doc__)
    parser.add_argument("--stack", required=True)
    stack = parser.parse_args(arguments).stack
    good = (
        update["environment"]["git.head"]
        for update in updates(stack)
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
