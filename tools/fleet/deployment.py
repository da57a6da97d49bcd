"""Deploys one site's stack from this checkout by Pulumi's Automation API, and takes it down."""

import os
import sys
from typing import Any

import yaml
from pulumi import automation

from infra.chosen_site import SITE_KEY
from infra.load import SECRET_KEYS
from infra.platforms.local.component import release_digest
from tools.checkout import ROOT
from tools.fleet.order import Order, Outcome
from tools.problem import Problem
from tools.stack import backend, stack_file
from tools.stack.engine import Engine
from tools.stack.up import free, init_of_user, init_own, prepare


def up(order: Order) -> Outcome:
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
            refresh=True,
            config_file=str(file),
            on_output=_show,
            color="never",
            suppress_outputs=True,
            show_secrets=False,  # what reads them writes a stack file of its own into the checkout
        )
    except automation.errors.CommandError as error:
        return Outcome(good=False, said=_first_error(str(error)))
    finally:
        stack_file.keep_salt(order.name)
    changes = result.summary.resource_changes or {}
    said = [f"{count} {kind}d" for kind, count in changes.items() if kind != "same"]
    return Outcome(good=True, said=", ".join(said) or "no change")


def down(order: Order) -> Outcome:
    """Lets running answers finish; good where nothing was up."""
    engine = prepare()
    if engine.environment.own_state:
        if not backend.resources_up(order.name) and not backend.interrupted_creates(order.name):
            return Outcome(good=True, said="nothing was up")
        free(engine, order.name)
    file = stack_file.write(order.name, document_of(order))
    try:
        _stack(engine, order.name).destroy(config_file=str(file), on_output=_show, color="never", show_secrets=False)
    except automation.errors.CommandError as error:
        return Outcome(good=False, said=_first_error(str(error)))
    return Outcome(good=True, said="taken down")


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
