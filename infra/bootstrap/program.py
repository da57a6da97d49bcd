"""The Pulumi program of day one: load, plan, deploy, export."""

from __future__ import annotations

import sys

import pulumi

from infra.bootstrap.component import Bootstrap
from infra.bootstrap.config import BOOTSTRAP_KEY
from infra.bootstrap.load import validate_bootstrap
from infra.bootstrap.plan import bootstrap_plan
from infra.problems import Refused
from infra.program import MESSAGE_WAS_SHOWN


def deploy() -> None:
    """Deploys it. Everything a user can mend is one message without a stack trace."""
    from pulumi.runtime.config import get_config

    try:
        config = validate_bootstrap(
            get_config(BOOTSTRAP_KEY), f"the configuration of stack `{pulumi.get_stack()}` of bootstrap"
        )
    except Refused as refused:
        pulumi.log.error(str(refused))
        sys.exit(MESSAGE_WAS_SHOWN)
    plan = bootstrap_plan(config)
    made = Bootstrap("bootstrap", plan)
    # What GitHub and the other stacks are told: the README says which goes where.
    pulumi.export("backend_url", made.backend_url)
    pulumi.export("secrets_provider", made.secrets_provider)
    pulumi.export("role_arns", made.role_arns)
    pulumi.export("permissions_boundaries", plan.boundary_arns)
    pulumi.export("repositories", plan.repository_urls)
    if made.runner is not None:
        pulumi.export("runner_project", made.runner)
