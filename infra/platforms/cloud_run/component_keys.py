"""Deploys the key that a site on Cloud Run encrypts with, and who of Google may use it: services, not people."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.component_encryption_key import encryption_key

# Services whose own accounts use the key, beside storage's, which has been there since the project was made.
SERVICES = {"run": "run.googleapis.com", "secrets": "secretmanager.googleapis.com"}


class Keys(pulumi.ComponentResource):
    """Owns one key, and the right of three services to use it. Google keeps key rings for ever."""

    def __init__(
        self,
        name: str,
        *,
        project: str,
        region: str,
        protected: bool,
        provider: gcp.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:Keys", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        ring = gcp.kms.KeyRing(name, location=region, opts=child)
        storage = gcp.storage.get_project_service_account_output(
            project=project, opts=pulumi.InvokeOutputOptions(parent=self, provider=provider)
        )
        members: dict[str, pulumi.Input[str]] = {"storage": storage.member}
        for called, service in SERVICES.items():
            members[called] = gcp.projects.ServiceIdentity(f"{name}-{called}", service=service, opts=child).member
        key, granted = encryption_key(name, ring, members, protected=protected, opts=child)
        self.granted: list[pulumi.Resource] = [*granted]
        self.key_id = key.id
        self.register_outputs({"key_id": self.key_id})
