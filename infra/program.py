"""The Pulumi program: load, plan, deploy each site, export."""

from __future__ import annotations

import json
import sys

import pulumi

from infra.components.client_keys import ClientKeys
from infra.config import PROJECT
from infra.doctor.before import refuse_halfway
from infra.gateway.secret import secret_names
from infra.load import load_pulumi, load_secrets, load_site
from infra.outputs import export
from infra.plan.build import build_plan
from infra.plan.client_keys import clients_with_our_keys, secrets_of_stack
from infra.plan.components import site_components
from infra.plan.deployable import refuse_undeployable
from infra.plan.model_cards import locked_out
from infra.platforms.base import SiteSecrets
from infra.problems import Refused
from infra.report.short_text import to_short_text

# Pulumi's own code for "the user has seen what is wrong". `RunError` ends with 1, and a second, meaningless error.
MESSAGE_WAS_SHOWN = 32


def deploy(*, ask: bool = True) -> None:
    """Deploys the stack. Everything a user can mend is one message without a stack trace. `ask` first whether the
    places have what it is made of; without, nobody is asked anything."""
    try:
        config = load_pulumi()
        plan = build_plan(config, pulumi.get_stack(), site=load_site())
        refuse_undeployable(plan)
        if ask:
            refuse_halfway(plan)
        components = site_components(plan)
        secrets = load_secrets(plan.clients, secrets_of_stack(plan, secret_names(config)))
    except Refused as refused:
        pulumi.log.error(str(refused))
        sys.exit(MESSAGE_WAS_SHOWN)
    pulumi.log.info(to_short_text(plan))
    for warning in (*plan.warnings, *locked_out(plan, secrets.huggingface_token)):
        pulumi.log.warn(warning)

    keys = ClientKeys(PROJECT, clients=clients_with_our_keys(plan), given=secrets.client_keys)
    for_sites = SiteSecrets(
        key_hashes=keys.hashes,
        huggingface_token=pulumi.Output.secret(secrets.huggingface_token),
        gateway_secrets=pulumi.Output.secret(json.dumps(secrets.gateway_secrets, sort_keys=True)),
        client_keys=keys.of_client,
    )
    sites = {name: component(name, plan.sites[name], for_sites) for name, component in components.items()}
    links = {name: link for name, site in sites.items() if (link := getattr(site, "private_link", None)) is not None}
    export(plan, {name: site.endpoint for name, site in sites.items()}, keys, links)
