"""`make down`: takes a stack down and says what remains in the checkout."""

import argparse
import os

from tools.checkout import LOCAL, ROOT, TOOLS, VENV
from tools.problem import run
from tools.pulumi import environment
from tools.pulumi.command_line import CommandLine, find
from tools.stack import backend, packages, protected
from tools.stack.up import deploy, free, prepare


def main(arguments: list[str]) -> int:
    """Destroy what is up; fine where nothing is."""
    parser = argparse.ArgumentParser(prog="tools/down", description=__doc__)
    parser.add_argument("stack", nargs="?", default="dev")
    stack = parser.parse_args(arguments).stack
    if _nothing_is_up(stack):
        print(f"Nothing is up: stack {stack} has no resources.")
    else:
        engine = prepare()
        if not engine.environment.own_state or stack in backend.stacks():
            protected.refuse(engine, stack)
        packages.install(stack)
        if engine.environment.own_state:
            free(engine, stack)
        deploy(engine, "destroy", stack)
        print(f"\nStack {stack} is down.")
    (LOCAL / f"shown.{stack}.json").unlink(missing_ok=True)
    remains = [str(path.relative_to(ROOT)) for path in (VENV, TOOLS, LOCAL) if path.exists()]
    if remains:
        print(f"What remains: {', '.join(remains)} (packages, the Pulumi CLI, state). `make clean` removes them.")
    return 0


def _nothing_is_up(stack: str) -> bool:
    """For the checkout's own state: whether nothing has to be installed to know that there is nothing to do."""
    anywhere = find() or CommandLine(TOOLS, "source")
    if not environment.compute(anywhere, os.environ).own_state:
        return False
    backend.repair(stack)
    return not backend.resources_up(stack) and not backend.interrupted_creates(stack) and not backend.locks(stack)


if __name__ == "__main__":
    run(main)
