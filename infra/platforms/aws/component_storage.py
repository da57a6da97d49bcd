"""Deploys where pods keep what outlives them: classes of volumes, and a file system that many share."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.platforms.aws.cluster_plan import BLOCK_CLASS, SHARED_CLASS, ClusterPlan

NFS = 2049
# The user of every pod of ours.
USER = "10001"


class Storage(pulumi.ComponentResource):
    """Owns the classes, and the file system where the plan has one: encrypted, over TLS, in every zone."""

    def __init__(
        self,
        name: str,
        plan: ClusterPlan,
        *,
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        zones: Sequence[str],
        cluster_security_group_id: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        protected: bool,
        cluster: aws.eks.Cluster,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:aws:Storage", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        # Classes alone go with the cluster: it is inherited, and a file system would stay in subnets that have to go.
        self._inside = pulumi.ResourceOptions(parent=self, deleted_with=cluster)
        self._class(
            "block",
            BLOCK_CLASS,
            plan.block_provisioner,
            {"type": "gp3", "encrypted": "true", "kmsKeyId": key_arn},
            binding="WaitForFirstConsumer",
            keep=False,
        )
        if plan.shared_files:
            files = self._file_system(vpc_id, subnet_ids, zones, cluster_security_group_id, key_arn, protected)
            # Each claim is a folder of its own with the pods' user as its owner, and the others are out of reach.
            parameters: dict[str, pulumi.Input[str]] = {
                "provisioningMode": "efs-ap",
                "fileSystemId": files.id,
                "directoryPerms": "700",
                "uid": USER,
                "gid": USER,
            }
            self._class("shared", SHARED_CLASS, "efs.csi.aws.com", parameters, binding="Immediate", keep=True)
        self.register_outputs({})

    def _class(
        self,
        name: str,
        called: str,
        provisioner: str,
        parameters: dict[str, pulumi.Input[str]],
        *,
        binding: str,
        keep: bool,
    ) -> None:
        kubernetes.storage.v1.StorageClass(
            f"{self._name}-{name}-class",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=called),
            provisioner=provisioner,
            parameters=parameters,
            reclaim_policy="Retain" if keep else "Delete",
            volume_binding_mode=binding,
            allow_volume_expansion=True,
            opts=self._inside,
        )

    def _file_system(
        self,
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        zones: Sequence[str],
        cluster_security_group_id: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        protected: bool,
    ) -> aws.efs.FileSystem:
        name = self._name
        files = aws.efs.FileSystem(
            f"{name}-files",
            encrypted=True,
            kms_key_id=key_arn,
            throughput_mode="elastic",
            tags={"Name": f"{name}-files"},
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(protect=protected)),
        )
        group = aws.ec2.SecurityGroup(
            f"{name}-files",
            description="The shared file system, from nodes",
            vpc_id=vpc_id,
            tags={"Name": f"{name}-files"},
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-files-nodes",
            security_group_id=group.id,
            description="NFS from nodes",
            ip_protocol="tcp",
            from_port=NFS,
            to_port=NFS,
            referenced_security_group_id=cluster_security_group_id,
            opts=self._child,
        )
        for zone, subnet in zip(zones, subnet_ids, strict=True):
            aws.efs.MountTarget(
                f"{name}-files-{zone[-1]}",
                file_system_id=files.id,
                subnet_id=subnet,
                security_groups=[group.id],
                opts=self._child,
            )
        return files
