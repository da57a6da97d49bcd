"""Deploys the class of volumes that one pod has: on disks that are encrypted with a key of ours."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.platforms.gcp.cluster_plan import BLOCK_CLASS


class Storage(pulumi.ComponentResource):
    """Owns the class."""

    def __init__(self, name: str, *, key: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        super().__init__("slipway:gcp:Storage", name, None, opts)
        kubernetes.storage.v1.StorageClass(
            f"{name}-block-class",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=BLOCK_CLASS),
            provisioner="pd.csi.storage.gke.io",
            parameters={"type": "pd-balanced", "disk-encryption-kms-key": key},
            reclaim_policy="Delete",
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            opts=pulumi.ResourceOptions(parent=self, deleted_with=opts.deleted_with),
        )
        self.register_outputs({})
