"""`tools/key`: prints the key of one client, for the `$(…)` of a curl."""

import argparse

from tools.problem import Problem, run
from tools.stack.announce import outputs
from tools.stack.up import prepare


def main(arguments: list[str]) -> int:
    """Print the key and nothing else."""
    parser = argparse.ArgumentParser(prog="tools/key", description=__doc__)
    parser.add_argument("client", nargs="?", default="dev")
    parser.add_argument("stack", nargs="?", default="dev")
    wanted = parser.parse_args(arguments)
    keys = outputs(prepare(), wanted.stack).get("client_keys") or {}
    if wanted.client not in keys:
        raise Problem(
            where=f"stack {wanted.stack}, output client_keys",
            found=f"no key of a client `{wanted.client}`",
            allowed=f"one of: {', '.join(sorted(keys)) or 'none, nothing is up'}",
            do="Name one of those, or bring the stack up first (make up).",
        )
    print(keys[wanted.client])
    return 0


if __name__ == "__main__":
    run(main)
