"""Deploys the keys that a site's data is encrypted with: the cluster's secrets, and what is stored."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

ROTATION_SECONDS = 90 * 86_400
# Until a version that is given up is gone: nothing it encrypted is readable after it.
DELETION_SECONDS = 30 * 86_400
USES = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


class Keys(pulumi.ComponentResource):
    """Owns two keys, so that whoever may use one cannot read what the other protects. `cluster` and `data` are known
    when Google's parts of the project may use them."""

    def __init__(
        self,
        name: str,
        *,
        region: str,
        agents: Mapping[str, pulumi.Output[str]],
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Keys", name, None, opts)
        self._name, self._agents, self._protected = name, agents, protected
        self._child = pulumi.ResourceOptions(parent=self)
        ring = gcp.kms.KeyRing(name, location=region, opts=self._child)
        self.cluster = self._key(ring, "cluster", ("cluster",))
        self.data = self._key(ring, "data", ("disks", "buckets", "images"))
        self.register_outputs({})

    def _key(self, ring: gcp.kms.KeyRing, use: str, users: tuple[str, ...]) -> pulumi.Output[str]:
        key = gcp.kms.CryptoKey(
            f"{self._name}-{use}",
            key_ring=ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=f"{ROTATION_SECONDS}s",
            destroy_scheduled_duration=f"{DELETION_SECONDS}s",
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(protect=self._protected)),
        )
        given = [
            gcp.kms.CryptoKeyIAMMember(
                f"{self._name}-{use}-{user}",
                crypto_key_id=key.id,
                role=USES,
                member=self._agents[user],
                opts=self._child,
            ).id
            for user in users
        ]
        return pulumi.Output.all(key.id, *given).apply(lambda known: str(known[0]))
