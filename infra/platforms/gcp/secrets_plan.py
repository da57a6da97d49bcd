"""Secrets of Secret Manager that gateways of a site on Google Cloud read: by name, with their own identity."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.plan.client_keys import ClientKeySource, KeysByDriver
from infra.problems import Problem

# The driver that is GKE's own add-on (GKE documentation, "Use the Secret Manager add-on", read 2026-11).
PROVIDER = "gke"
SECRET_NAME = re.compile(r"projects/([a-z0-9-]+)/secrets/([A-Za-z0-9_-]+)/versions/")


def secrets_read(keys: ClientKeySource) -> tuple[str, ...]:
    """Those that the driver mounts into the gateways, as `projects/PROJECT/secrets/NAME`."""
    if not isinstance(keys, KeysByDriver) or keys.provider != PROVIDER:
        return ()
    found = [
        f"projects/{project}/secrets/{name}"
        for text in keys.parameters.values()
        for project, name in SECRET_NAME.findall(text)
    ]
    return tuple(dict.fromkeys(found))


def secrets_problems(where: str, keys: ClientKeySource) -> Iterator[Problem]:
    """What the driver could not read: it asks with the gateways' identity, which may read each secret by its name."""
    if isinstance(keys, KeysByDriver) and keys.provider == PROVIDER and not secrets_read(keys):
        yield Problem(
            where=f"{where}.parameters.secrets",
            found="no name of a secret's version",
            allowed="each secret by its name: the gateways' rights are on exactly these",
            remedy='write `- resourceName: "projects/PROJECT/secrets/NAME/versions/latest"`, with a `path`',
        )
