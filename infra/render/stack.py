"""What a stack would register, from its file alone: the program runs, and a recorder answers in the cloud's place."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from infra.chosen_site import SITE_KEY, site_in_file
from infra.config import GATEWAY_SECRETS_KEY
from infra.gateway.secret import secret_names
from infra.load import load_file
from infra.naming import DEPLOYMENT_KEY
from infra.plan.build import build_plan
from infra.plan.client_keys import secrets_of_stack
from infra.plan.components import site_components
from infra.plan.deployable import refuse_undeployable
from infra.render.registrations import PLACEHOLDER, Registration
from infra.stack_file import read_stack_file


def registrations(path: Path, stack: str) -> list[Registration]:
    """Everything that the stack in this file registers. No secret is read: placeholders stand in their place. Raises
    Refused where the stack could not be deployed either."""
    config = load_file(path)
    site = site_in_file(path)
    plan = build_plan(config, stack, site=site)
    refuse_undeployable(plan)
    site_components(plan)
    values: dict[str, Any] = {DEPLOYMENT_KEY: read_stack_file(path).values["config"][DEPLOYMENT_KEY]}
    if site is not None:
        values[SITE_KEY] = site
    if names := sorted(secrets_of_stack(plan, secret_names(config))):
        values[GATEWAY_SECRETS_KEY] = dict.fromkeys(names, PLACEHOLDER)
    return _recorded(stack, values)


def _recorded(stack: str, values: dict[str, Any]) -> list[Registration]:
    """Loads Pulumi late: everything that a user can mend was said before."""
    from infra.program import deploy
    from infra.render.recorder import record

    return record(partial(deploy, ask=False), stack=stack, config=values).seen
