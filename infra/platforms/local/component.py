"""Deploys the plan of a site on this machine: one process group, nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pulumi

from infra.plan.types import SitePlan
from infra.platforms.base import SiteSecrets
from infra.platforms.local.plan import LocalSitePlan
from infra.platforms.local.process_group import ProcessGroup

ROOT = Path(__file__).resolve().parents[3]


class LocalSite(pulumi.ComponentResource):
    """A site on this machine. Owns the process group; decides nothing that the plan has not decided."""

    def __init__(
        self, name: str, plan: SitePlan, secrets: SiteSecrets, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:local:Site", name, None, opts)
        details: LocalSitePlan = plan.details
        group = ProcessGroup(
            name,
            specification=json.dumps(details.specification, sort_keys=True),
            key_hashes=secrets.key_hashes,
            huggingface_token=secrets.huggingface_token,
            gateway_secrets=secrets.gateway_secrets,
            release=release_digest(ROOT),
            directory=str(ROOT / ".slipway" / "run" / details.specification["name"]),
            root=str(ROOT),
            start_seconds=details.engine_start_seconds,
            grace_seconds=details.grace_seconds,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.endpoint = pulumi.Output.all(plan.endpoint, group.generation).apply(lambda known: known[0])
        self.register_outputs({"endpoint": self.endpoint})


def release_digest(root: Path) -> str:
    """Identifies the code that serves, so that a new version of slipway is rolled out like any other change."""
    digest = hashlib.sha256()
    sources = sorted(
        path
        for path in (root / "serving_image" / "serving").rglob("*")
        if path.is_file() and path.suffix != ".pyc"  # the status page's files are code too
    )
    for path in (*sources, root / "requirements" / "local.txt"):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
