"""Deploys a workspace of Amazon Managed Grafana, who signs in to it, and the role that it reads metrics with."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.component_roles import role
from infra.platforms.aws.grafana_plan import GrafanaPlan, reads_metrics, workspaces_trust
from infra.platforms.aws.names import RoleBounds


class Grafana(pulumi.ComponentResource):
    """Owns the workspace and its role. It does not own data sources and dashboards: AWS has them behind Grafana's own
    API alone, with a token that must not be in a state."""

    def __init__(
        self,
        name: str,
        plan: GrafanaPlan,
        *,
        prometheus_arn: pulumi.Input[str],
        cluster_arn: pulumi.Input[str],
        roles: RoleBounds,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Grafana", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Its own account and region are those of the cluster.
        place = pulumi.Output.from_input(cluster_arn).apply(lambda arn: arn.split(":")[3:5])
        own, _ = role(
            f"{name}-reader",
            bounds=roles,
            trusted=place.apply(lambda found: workspaces_trust(account=found[1], region=found[0])),
            opts=child,
        )
        given = aws.iam.RolePolicy(
            f"{name}-reader",
            role=own.id,
            policy=pulumi.Output.from_input(prometheus_arn).apply(reads_metrics),
            opts=child,
        )
        workspace = aws.grafana.Workspace(
            f"{name}-workspace",
            account_access_type="CURRENT_ACCOUNT",
            authentication_providers=["AWS_SSO"],
            # AWS would give its own role more.
            permission_type="CUSTOMER_MANAGED",
            role_arn=own.arn,
            data_sources=["PROMETHEUS"],
            grafana_version=plan.version,
            configuration=plan.configuration,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[given])),
        )
        for may, groups in (("ADMIN", plan.administrators), ("VIEWER", plan.viewers)):
            if groups:
                aws.grafana.RoleAssociation(
                    f"{name}-{may.lower()}", workspace_id=workspace.id, role=may, group_ids=[*groups], opts=child
                )
        self.register_outputs({"endpoint": workspace.endpoint})
