"""What a stack exports: where the API is, which models it has, and (secret) the clients' keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.components.client_keys import ClientKeys
from infra.plan.types import DeploymentPlan


def export(
    plan: DeploymentPlan,
    endpoints: Mapping[str, pulumi.Output[str]],
    keys: ClientKeys,
    links: Mapping[str, pulumi.Output[Any]],
) -> None:
    """Exports `endpoint` (the first site's), `endpoints`, `status_pages` and `certificates` by site, `models`, and
    `client_keys`: one valid key each. Where a site has a private link, also `private_links`: what its other end is set
    up with."""
    pulumi.export("endpoint", next(iter(endpoints.values())))
    pulumi.export("endpoints", dict(endpoints))
    sites = {name: plan.sites[name] for name in plan.deployed_sites}
    pages = {name: site.status_page for name, site in sites.items() if site.status_page}
    pulumi.export("status_pages", pages)
    certificates = {name: site.certificate_file for name, site in sites.items() if site.certificate_file}
    pulumi.export("certificates", certificates)
    if links:
        pulumi.export("private_links", dict(links))
    pulumi.export("models", [*plan.models, *plan.remote_models])
    pulumi.export("client_keys", keys.keys.apply(lambda known: {client: of[0] for client, of in known.items()}))
