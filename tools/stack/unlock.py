"""`tools/unlock`: frees a stack that a killed pulumi has left locked, and answers what its state leaves open."""

import argparse

from tools.problem import run
from tools.stack import backend
from tools.stack.up import free, prepare


def main(arguments: list[str]) -> int:
    """Free the stack, unless whoever holds it still runs. Changes nothing that is deployed."""
    parser = argparse.ArgumentParser(prog="tools/unlock", description=__doc__)
    parser.add_argument("stack", nargs="?", default="dev")
    stack = parser.parse_args(arguments).stack
    engine = prepare()
    if engine.environment.own_state:
        backend.repair(stack)
    if not free(engine, stack):
        print(f"Stack {stack} is not locked, and its state leaves nothing open.")
    return 0


if __name__ == "__main__":
    run(main)
