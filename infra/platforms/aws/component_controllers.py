"""Deploys controllers from their makers' charts, each with a role of its own where it reaches something of AWS."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.components.chart_release import chart_release
from infra.platforms.aws.component_roles import role
from infra.platforms.aws.controllers_plan import BINDS, Controller
from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.policies import binds_targets, pod_identity_trust, scales_groups


class Controllers(pulumi.ComponentResource):
    """Owns releases of charts, and roles and associations of their service accounts. What a chart makes is Helm's, and
    goes with the cluster."""

    def __init__(
        self,
        name: str,
        plan: Mapping[str, Controller],
        *,
        cluster: aws.eks.Cluster,
        region: str,
        account: pulumi.Input[str],
        vpc_id: pulumi.Input[str],
        target_group_arn: pulumi.Input[str],
        roles: RoleBounds,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:aws:Controllers", name, None, opts)
        self._name, self._cluster, self._roles = name, cluster, roles
        self._child = pulumi.ResourceOptions(parent=self)
        inside = pulumi.ResourceOptions(parent=self, deleted_with=cluster)
        known = pulumi.Output.all(cluster.name, account, target_group_arn)
        for called, planned in plan.items():
            policy = known.apply(
                lambda each, of=planned: (
                    binds_targets(each[2]) if of.rights == BINDS else scales_groups(each[0], region, each[1])
                )
            )
            before = self._identity(called, planned, policy)
            found = {planned.network_value: vpc_id} if planned.network_value else {}
            opts = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=before))
            chart_release(f"{name}-{called}", called, planned, opts, found)
        self.register_outputs({})

    def _identity(self, called: str, planned: Controller, policy: pulumi.Output[str]) -> list[pulumi.Resource]:
        account = planned.service_account
        if account is None:
            return []
        trusted = self._cluster.arn.apply(lambda arn: pod_identity_trust(arn, planned.namespace, account))
        own, _ = role(f"{self._name}-{called}", bounds=self._roles, trusted=trusted, opts=self._child)
        given = aws.iam.RolePolicy(f"{self._name}-{called}", role=own.id, policy=policy, opts=self._child)
        associated = aws.eks.PodIdentityAssociation(
            f"{self._name}-{called}",
            cluster_name=self._cluster.name,
            namespace=planned.namespace,
            service_account=account,
            role_arn=own.arn,
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[given])),
        )
        return [associated]
