"""Deploys the keys that a site's data is encrypted with: the cluster's secrets, and what is stored."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.component_encryption_key import encryption_key

DATA_USERS = ("disks", "buckets", "images", "limits")


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
        self.data = self._key(ring, "data", tuple(use for use in DATA_USERS if use in agents))
        self.register_outputs({})

    def _key(self, ring: gcp.kms.KeyRing, use: str, users: tuple[str, ...]) -> pulumi.Output[str]:
        members = {user: self._agents[user] for user in users}
        key, granted = encryption_key(f"{self._name}-{use}", ring, members, protected=self._protected, opts=self._child)
        return pulumi.Output.all(key.id, *(one.id for one in granted)).apply(lambda known: str(known[0]))
