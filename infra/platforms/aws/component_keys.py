"""Deploys the keys that a site's data is encrypted with: the cluster's secrets, logs, and what is stored."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.policies import groups_use_key, key_policy, logs_use_key

# Until a key that is given up is gone: the longest time that AWS knows, as nothing it encrypted is readable after it.
DELETION_DAYS = 30


class Keys(pulumi.ComponentResource):
    """Owns three keys, so that whoever may use one cannot read what another protects. With `node_groups`, who starts
    their machines uses the disks' one."""

    def __init__(
        self,
        name: str,
        *,
        account: pulumi.Input[str],
        region: str,
        node_groups: bool,
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Keys", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self, protect=protected)
        known = pulumi.Output.from_input(account)
        self.cluster_arn = self._key("cluster", "Secrets of the cluster", known.apply(key_policy))
        self.data_arn = self._key(
            "data",
            "Weights, images, volumes and disks",
            known.apply(lambda of: key_policy(of, *((groups_use_key(of),) if node_groups else ()))),
        )
        self.logs_arn = self._key(
            "logs",
            "Logs of network, cluster and front door",
            known.apply(lambda of: key_policy(of, logs_use_key(region, of))),
        )
        self.register_outputs({})

    def _key(self, use: str, description: str, policy: pulumi.Output[str]) -> pulumi.Output[str]:
        key = aws.kms.Key(
            f"{self._name}-{use}",
            description=f"{description} ({self._name})",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=policy,
            opts=self._child,
        )
        return key.arn
