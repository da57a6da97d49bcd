"""Deploys the EKS cluster of a site: control plane, who administers it, and the role of its nodes."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.cluster_plan import CREATE_MINUTES, DELETE_MINUTES, ClusterPlan
from infra.platforms.aws.component_roles import role
from infra.platforms.aws.kubeconfig import kubeconfig
from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.policies import (
    AUTO_MODE_NODE_POLICIES,
    AUTO_MODE_POLICIES,
    CLUSTER_ACCESS,
    CLUSTER_POLICIES,
    MANAGED_NODE_POLICIES,
    machines_use_key,
    trust,
)

eks = aws.eks
EVERYWHERE = eks.AccessPolicyAssociationAccessScopeArgs(type="cluster")


class Cluster(pulumi.ComponentResource):
    """Owns the control plane, its log group and its roles. `node_role` is what machines are; `kubeconfig` asks for a
    token each time it is used."""

    def __init__(
        self,
        name: str,
        plan: ClusterPlan,
        *,
        region: str,
        services_cidr: str | None,
        subnet_ids: Sequence[pulumi.Input[str]],
        cluster_key_arn: pulumi.Input[str],
        logs_key_arn: pulumi.Input[str],
        data_key_arn: pulumi.Output[str],
        roles: RoleBounds,
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Cluster", name, None, opts)
        self._name, self._plan, self._roles = name, plan, roles
        self._child = pulumi.ResourceOptions(parent=self)
        # EKS writes to a group of this name, and would make one that is neither encrypted nor ever emptied.
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=f"/aws/eks/{plan.name}/cluster",
            kms_key_id=logs_key_arn,
            retention_in_days=plan.log_retention_days,
            opts=self._child,
        )
        own, before = self._control_plane_role(data_key_arn)
        self.cluster = eks.Cluster(
            f"{name}-control-plane",
            name=plan.name,
            version=plan.kubernetes_version,
            role_arn=own.arn,
            enabled_cluster_log_types=[*plan.log_types],
            deletion_protection=protected,
            # What Auto Mode does itself, or an add-on of ours.
            bootstrap_self_managed_addons=False,
            access_config=eks.ClusterAccessConfigArgs(
                authentication_mode="API",
                bootstrap_cluster_creator_admin_permissions=not plan.administrators,
            ),
            upgrade_policy=eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            encryption_config=eks.ClusterEncryptionConfigArgs(
                provider=eks.ClusterEncryptionConfigProviderArgs(key_arn=cluster_key_arn), resources=["secrets"]
            ),
            vpc_config=eks.ClusterVpcConfigArgs(
                subnet_ids=[*subnet_ids],
                endpoint_private_access=True,
                endpoint_public_access=bool(plan.public_cidrs),
                public_access_cidrs=[*plan.public_cidrs] or None,
            ),
            zonal_shift_config=eks.ClusterZonalShiftConfigArgs(enabled=True),
            kubernetes_network_config=eks.ClusterKubernetesNetworkConfigArgs(
                service_ipv4_cidr=services_cidr,
                elastic_load_balancing=eks.ClusterKubernetesNetworkConfigElasticLoadBalancingArgs(
                    enabled=plan.auto_mode
                ),
            ),
            # Its own pools would be machines that no plan has.
            compute_config=eks.ClusterComputeConfigArgs(enabled=plan.auto_mode),
            storage_config=eks.ClusterStorageConfigArgs(
                block_storage=eks.ClusterStorageConfigBlockStorageArgs(enabled=plan.auto_mode)
            ),
            opts=pulumi.ResourceOptions.merge(
                self._child,
                pulumi.ResourceOptions(
                    depends_on=[logs, *before],
                    protect=protected,
                    custom_timeouts=pulumi.CustomTimeouts(
                        create=f"{CREATE_MINUTES}m", update=f"{CREATE_MINUTES}m", delete=f"{DELETE_MINUTES}m"
                    ),
                ),
            ),
        )
        self.security_group_id = self.cluster.vpc_config.cluster_security_group_id
        self._reached_from_inside()
        self.node_role, self.admitted = self._node_role()
        self._administrators()
        self.kubeconfig = pulumi.Output.all(self.cluster.endpoint, self.cluster.certificate_authority.data).apply(
            lambda known: kubeconfig(plan.name, region, known[0], known[1])
        )
        self.register_outputs({"name": self.cluster.name})

    def _reached_from_inside(self) -> None:
        """EKS lets nodes to its API alone; who deploys from inside the network is none."""
        for place, cidr in enumerate(self._plan.clients):
            aws.vpc.SecurityGroupIngressRule(
                f"{self._name}-api" + (f"-{place}" if place else ""),
                security_group_id=self.security_group_id,
                description="The API, for who deploys from inside the network",
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                cidr_ipv4=cidr,
                opts=self._child,
            )

    def _control_plane_role(self, data_key_arn: pulumi.Output[str]) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        """In Auto Mode it starts machines too, whose disks have a key of ours."""
        auto = self._plan.auto_mode
        own, before = role(
            f"{self._name}-control-plane",
            bounds=self._roles,
            trusted=trust("eks.amazonaws.com", ("sts:AssumeRole", "sts:TagSession")),
            policies=(*CLUSTER_POLICIES, *(AUTO_MODE_POLICIES if auto else ())),
            opts=self._child,
        )
        policy = data_key_arn.apply(machines_use_key)
        before.append(
            aws.iam.RolePolicy(f"{self._name}-control-plane-disks", role=own.id, policy=policy, opts=self._child)
        )
        return own, before

    def _node_role(self) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        """What a machine is before it has pods, and what lets it into the cluster."""
        name, auto = self._name, self._plan.auto_mode
        own, before = role(
            f"{name}-node",
            bounds=self._roles,
            trusted=trust("ec2.amazonaws.com"),
            policies=AUTO_MODE_NODE_POLICIES if auto else MANAGED_NODE_POLICIES,
            opts=self._child,
        )
        if not auto:
            # EKS lets the machines of its node groups in by itself.
            return own, before
        entry = eks.AccessEntry(
            f"{name}-node", cluster_name=self.cluster.name, principal_arn=own.arn, type="EC2", opts=self._child
        )
        after = pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[entry]))
        admitted = eks.AccessPolicyAssociation(
            f"{name}-node",
            cluster_name=self.cluster.name,
            principal_arn=own.arn,
            policy_arn=f"{CLUSTER_ACCESS}/AmazonEKSAutoNodePolicy",
            access_scope=EVERYWHERE,
            opts=after,
        )
        return own, [*before, admitted]

    def _administrators(self) -> None:
        for arn in self._plan.administrators:
            name = f"{self._name}-administrator-{arn.rpartition(':role/')[2].replace('/', '-')}"
            entry = eks.AccessEntry(
                name, cluster_name=self.cluster.name, principal_arn=arn, type="STANDARD", opts=self._child
            )
            eks.AccessPolicyAssociation(
                name,
                cluster_name=self.cluster.name,
                principal_arn=arn,
                policy_arn=f"{CLUSTER_ACCESS}/AmazonEKSClusterAdminPolicy",
                access_scope=EVERYWHERE,
                opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[entry])),
            )
