"""Deploys software of AWS in the cluster, each with a role of its own where it reaches something of AWS."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.cluster_plan import ClusterPlan
from infra.platforms.aws.component_roles import role
from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.policies import pod_identity_trust

NAMESPACE = "kube-system"


class Addons(pulumi.ComponentResource):
    """Owns EKS add-ons. Each is of the version that is named, or that EKS has by default for the cluster's: asked each
    time, so that it follows when that is upgraded, after it and before nodes that wait for `before_nodes`."""

    def __init__(
        self,
        name: str,
        plan: ClusterPlan,
        *,
        cluster: aws.eks.Cluster,
        roles: RoleBounds,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Addons", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.before_nodes: list[pulumi.Resource] = []
        for planned in plan.addons.values():
            identity: list[aws.eks.AddonPodIdentityAssociationArgs] = []
            before: list[pulumi.Resource] = []
            if planned.service_account and planned.policy:
                trusted = cluster.arn.apply(
                    lambda arn, of=planned.service_account: pod_identity_trust(arn, NAMESPACE, of)
                )
                own, before = role(
                    f"{name}-{planned.name}",
                    bounds=roles,
                    trusted=trusted,
                    policies=(planned.policy,),
                    opts=child,
                )
                identity = [
                    aws.eks.AddonPodIdentityAssociationArgs(role_arn=own.arn, service_account=planned.service_account)
                ]
            made = aws.eks.Addon(
                f"{name}-{planned.name}",
                cluster_name=cluster.name,
                addon_name=planned.name,
                addon_version=planned.version or _by_default(self, planned.name, plan.kubernetes_version),
                configuration_values=json.dumps(planned.configuration, sort_keys=True)
                if planned.configuration
                else None,
                pod_identity_associations=identity or None,
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="OVERWRITE",
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=before)),
            )
            if planned.before_nodes:
                self.before_nodes.append(made)
        self.register_outputs({})


def _by_default(parent: pulumi.Resource, addon: str, kubernetes_version: str) -> pulumi.Output[str]:
    return aws.eks.get_addon_version_output(
        addon_name=addon, kubernetes_version=kubernetes_version, opts=pulumi.InvokeOutputOptions(parent=parent)
    ).version
