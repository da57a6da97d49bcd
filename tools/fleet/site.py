"""Deploys one site where this checkout is: `tools/fleet/site up|check|down`, the order on standard input.

The site is a stack of its own, whose state, passphrase and keys stay on this machine: it goes on while nobody else is
reached.
"""

import argparse
import sys
import time

from tools.checkout import ROOT
from tools.deploy.smoke import Stack, Wrong, check
from tools.fleet.order import Order, Outcome, answer, read
from tools.problem import Problem, run
from tools.python.install import install
from tools.stack.announce import outputs, reached
from tools.stack.up import prepare

PAUSE_SECONDS = 1.0


def main(arguments: list[str]) -> int:
    """Do it, and say in the last line what became of it."""
    parser = argparse.ArgumentParser(prog="tools/fleet/site", description=__doc__)
    parser.add_argument("verb", choices=("up", "check", "down"))
    verb = parser.parse_args(arguments).verb
    order = read(sys.stdin.read())
    try:
        outcome = _ask(order) if verb == "check" else _deploy(verb, order)
    except Problem as problem:
        print(problem, file=sys.stderr)
        outcome = Outcome(good=False, said=problem.found.splitlines()[-1])
    print(answer(outcome), flush=True)
    return 0 if outcome.good else 1


def _deploy(verb: str, order: Order) -> Outcome:
    install(order.extras)  # a box that is a small cluster needs what its platform does
    from tools.fleet import deployment  # Pulumi's own code takes a second to load

    return deployment.up(order) if verb == "up" else deployment.down(order)


def _ask(order: Order) -> Outcome:
    """Real requests to each of the site's own models, through its own gateway, with a client's key."""
    known = outputs(prepare(), order.name)
    certificate = (known.get("certificates") or {}).get(order.site)
    stack = Stack(
        endpoint=reached(str(known.get("endpoint") or "")),
        key=str((known.get("client_keys") or {}).get(order.client) or ""),
        tasks=order.asked,
        certificate=None if certificate is None else str(ROOT / certificate),
    )
    deadline = time.monotonic() + order.answer_seconds
    while True:
        try:
            check(stack)
            return Outcome(good=True, said="answers")
        except (Wrong, OSError, ValueError) as why:
            if time.monotonic() > deadline:
                return Outcome(good=False, said=f"does not answer: {why}")
            time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    run(main)
