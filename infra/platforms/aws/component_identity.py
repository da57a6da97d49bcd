"""Deploys roles of workloads: each service account that reaches something of AWS has one of its own."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.component_roles import role
from infra.platforms.aws.identity_plan import AUDIT, MODELS, WorkloadRole
from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.policies import pod_identity_trust, workload_rights


class Identity(pulumi.ComponentResource):
    """Owns a role and its association for each workload: no key is stored, and no pod has a role of its machine's."""

    def __init__(
        self,
        name: str,
        plan: Mapping[str, WorkloadRole],
        *,
        cluster: aws.eks.Cluster,
        bucket_arns: Mapping[str, pulumi.Output[str]],
        key_arn: pulumi.Output[str],
        roles: RoleBounds,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Identity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        for workload, planned in plan.items():
            own, _ = role(
                f"{name}-{workload}",
                bounds=roles,
                trusted=_trusted(planned, cluster),
                opts=child,
            )
            policy = pulumi.Output.all(bucket_arns[MODELS], bucket_arns.get(AUDIT), key_arn).apply(
                lambda known, of=planned: workload_rights(of, known[0], known[1], known[2])
            )
            given = aws.iam.RolePolicy(f"{name}-{workload}", role=own.id, policy=policy, opts=child)
            aws.eks.PodIdentityAssociation(
                f"{name}-{workload}",
                cluster_name=cluster.name,
                namespace=planned.namespace,
                service_account=planned.service_account,
                role_arn=own.arn,
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[given])),
            )
        self.register_outputs({})


def _trusted(planned: WorkloadRole, cluster: aws.eks.Cluster) -> pulumi.Output[str]:
    return cluster.arn.apply(lambda arn: pod_identity_trust(arn, planned.namespace, planned.service_account))
