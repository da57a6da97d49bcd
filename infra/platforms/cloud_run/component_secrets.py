"""Deploys files as secrets of Secret Manager: encrypted with the site's key, each readable by one account alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from infra.platforms.cloud_run.containers import SecretFile

manager = gcp.secretmanager
READER = "roles/secretmanager.secretAccessor"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A file's secret, and the version that has what it must have: another content is another version, so that what
    runs keeps its own until something new has taken over."""

    secret: pulumi.Output[str]
    version: pulumi.Output[str]


class Secrets(pulumi.ComponentResource):
    """Owns the secrets and who reads them. `contents` are those that only a deployment knows, by the files' names."""

    def __init__(
        self,
        name: str,
        files: Sequence[SecretFile],
        contents: Mapping[str, pulumi.Input[str]],
        *,
        prefix: str,
        region: str,
        key_id: pulumi.Input[str],
        reader: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:Secrets", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        encryption = manager.SecretReplicationUserManagedReplicaCustomerManagedEncryptionArgs(kms_key_name=key_id)
        replica = manager.SecretReplicationUserManagedReplicaArgs(
            location=region, customer_managed_encryption=encryption
        )
        replication = manager.SecretReplicationArgs(
            user_managed=manager.SecretReplicationUserManagedArgs(replicas=[replica])
        )
        self.kept: dict[str, Kept] = {}
        self.granted: list[pulumi.Resource] = []
        for file in {file.name: file for file in files}.values():
            called = f"{name}-{file.name}"
            secret = manager.Secret(called, secret_id=f"{prefix}-{file.name}", replication=replication, opts=child)
            content = contents[file.name] if file.content is None else file.content
            version = manager.SecretVersion(called, secret=secret.id, secret_data=content, opts=child)
            self.granted.append(
                manager.SecretIamMember(called, secret_id=secret.id, role=READER, member=reader, opts=child)
            )
            self.kept[file.name] = Kept(secret=secret.secret_id, version=version.version)
        self.register_outputs({})
