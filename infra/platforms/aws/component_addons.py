"""Deploys software of AWS in the cluster, each with a role of its own where it reaches something of AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.cluster_plan import Addon
from infra.platforms.aws.component_roles import role
from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.policies import pod_identity_trust

NAMESPACE = "kube-system"


class Addons(pulumi.ComponentResource):
    """Owns EKS add-ons, each of the version that EKS has for the cluster's."""

    def __init__(
        self,
        name: str,
        plan: Mapping[str, Addon],
        *,
        cluster: aws.eks.Cluster,
        roles: RoleBounds,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Addons", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        for planned in plan.values():
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
            aws.eks.Addon(
                f"{name}-{planned.name}",
                cluster_name=cluster.name,
                addon_name=planned.name,
                configuration_values=json.dumps(planned.configuration, sort_keys=True)
                if planned.configuration
                else None,
                pod_identity_associations=identity or None,
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="OVERWRITE",
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=before)),
            )
        self.register_outputs({})
