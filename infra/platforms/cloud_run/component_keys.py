"""Deploys the key that a site on Cloud Run encrypts with, and who of Google may use it: services, not people."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

# A quarter: other versions encrypt what is new, old ones read what there is.
ROTATION = "7776000s"
# Until a version that is given up is gone: nothing that it encrypted is readable after it.
DESTROYED_AFTER = "2592000s"
# Services whose own accounts use the key, beside storage's, which has been there since the project was made.
SERVICES = {"run": "run.googleapis.com", "secrets": "secretmanager.googleapis.com"}
USER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


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
        key = gcp.kms.CryptoKey(
            name,
            key_ring=ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=ROTATION,
            destroy_scheduled_duration=DESTROYED_AFTER,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protected)),
        )
        storage = gcp.storage.get_project_service_account_output(
            project=project, opts=pulumi.InvokeOutputOptions(parent=self, provider=provider)
        )
        members: dict[str, pulumi.Input[str]] = {"storage": storage.member}
        for called, service in SERVICES.items():
            members[called] = gcp.projects.ServiceIdentity(f"{name}-{called}", service=service, opts=child).member
        self.granted: list[pulumi.Resource] = [
            gcp.kms.CryptoKeyIAMMember(f"{name}-{called}", crypto_key_id=key.id, role=USER, member=member, opts=child)
            for called, member in members.items()
        ]
        self.key_id = key.id
        self.register_outputs({"key_id": self.key_id})
