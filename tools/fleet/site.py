"""Deploys one site where this checkout is, by Pulumi's Automation API: `tools/fleet/site up|check|down`, the order on
standard input.

The site is a stack of its own, whose state, passphrase and keys stay on this machine: it goes on while nobody else is
reached.
"""

import argparse
import os
import sys
import time
from typing import Any

import yaml
from pulumi import automation

from infra.chosen_site import SITE_KEY
from infra.load import SECRET_KEYS
from infra.platforms.local.component import release_digest
from tools.checkout import ROOT
from tools.deploy.smoke import Stack, Wrong, check
from tools.fleet.order import Order, Outcome, answer, read
from tools.problem import Problem, run
from tools.stack import backend, stack_file
from tools.stack.announce import outputs
from tools.stack.engine import Engine
from tools.stack.up import free, init_of_user, init_own, prepare

PAUSE_SECONDS = 1.0
# Beside which name in a certificate it is asked: everywhere is no address.
EVERYWHERE = {"//0.0.0.0:": "//127.0.0.1:", "//[::]:": "//[::1]:"}


def main(arguments: list[str]) -> int:
    """Do it, and say in the last line what became of it."""
    parser = argparse.ArgumentParser(prog="tools/fleet/site", description=__doc__)
    parser.add_argument("verb", choices=("up", "check", "down"))
    verb = parser.parse_args(arguments).verb
    order = read(sys.stdin.read())
    try:
        outcome = {"up": _up, "check": _check, "down": _down}[verb](order)
    except Problem as problem:
        print(problem, file=sys.stderr)
        outcome = Outcome(good=False, said=problem.found.splitlines()[-1])
    print(answer(outcome), flush=True)
    return 0 if outcome.good else 1


def _up(order: Order) -> Outcome:
    """What is really there is read first, so that a box that was rebooted or tampered with is put right as well."""
    if (here := release_digest(ROOT)) != order.release:
        raise Problem(
            where=f"site {order.site}, {ROOT}",
            found=f"slipway of the release {here}, while the rollout is of {order.release}",
            allowed="the same release: another one may serve the same document differently",
            do=f"Install the rollout's there: make bundle STACK={order.stack} SITE={order.site}",
        )
    engine = prepare()
    if engine.environment.own_state:
        backend.repair(order.name)
        init_own(engine, order.name)
        free(engine, order.name)
    else:
        init_of_user(engine, order.name)
    file = stack_file.write(order.name, document_of(order))
    try:
        result = _stack(engine, order.name).up(
            refresh=True, config_file=str(file), on_output=_show, color="never", suppress_outputs=True
        )
    except automation.errors.CommandError as error:
        return Outcome(good=False, said=_first_error(str(error)))
    finally:
        stack_file.keep_salt(order.name)
    changed = {kind: count for kind, count in (result.summary.resource_changes or {}).items() if kind != "same"}
    return Outcome(good=True, said=", ".join(f"{count} {kind}d" for kind, count in changed.items()) or "no change")


def _down(order: Order) -> Outcome:
    engine = prepare()
    if engine.environment.own_state and not backend.resources_up(order.name):
        return Outcome(good=True, said="nothing was up")
    if engine.environment.own_state:
        free(engine, order.name)
    file = stack_file.write(order.name, document_of(order))
    try:
        _stack(engine, order.name).destroy(config_file=str(file), on_output=_show, color="never")
    except automation.errors.CommandError as error:
        return Outcome(good=False, said=_first_error(str(error)))
    return Outcome(good=True, said="taken down")


def _check(order: Order) -> Outcome:
    """Real requests to each of the site's own models, through its own gateway, with a client's key."""
    known = outputs(prepare(), order.name)
    endpoint = str(known.get("endpoint") or "")
    for listens, asked in EVERYWHERE.items():
        endpoint = endpoint.replace(listens, asked)
    certificate = (known.get("certificates") or {}).get(order.site)
    stack = Stack(
        endpoint=endpoint,
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


def document_of(order: Order) -> str:
    """The shared document with this site chosen, and the secrets that were set for it here."""
    content = yaml.safe_load(order.document)
    config: dict[str, Any] = content["config"]
    config[SITE_KEY] = order.site
    earlier = stack_file.generated(order.name)
    if earlier.exists():
        here = (yaml.safe_load(earlier.read_text(encoding="utf-8")) or {}).get("config") or {}
        config |= {key: here[key] for key in SECRET_KEYS if key in here and key not in config}
    return yaml.safe_dump(content, sort_keys=False)


def _stack(engine: Engine, name: str) -> automation.Stack:
    # The CLI is looked for on this process's own PATH.
    os.environ.update(engine.environment.variables)
    if engine.environment.own_state:
        os.umask(0o077)  # state holds secrets, encrypted or not
    return automation.select_stack(name, work_dir=str(ROOT))


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _first_error(text: str) -> str:
    """What Pulumi says went wrong, in one line."""
    errors = [line.strip() for line in text.splitlines() if "error:" in line]
    told = [line for line in errors if "update failed" not in line]
    return (told or errors or ["pulumi failed"])[0][:300]


if __name__ == "__main__":
    run(main)
