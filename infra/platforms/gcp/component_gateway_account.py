"""Deploys who gateways are to Google where the rights of a cluster's service accounts are not enough."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.plan.in_cluster import GATEWAY
from infra.platforms.gcp.limits_plan import BECOMES, CONNECTS, LimitsPlan


class GatewayAccount(pulumi.ComponentResource):
    """Owns a service account without a key. Gateways' own of the cluster becomes it, and nobody else may; it connects
    to the store of limits, and to no other. `member` has the rest of the gateways' rights."""

    def __init__(
        self,
        name: str,
        plan: LimitsPlan,
        *,
        project: str,
        region: str,
        namespace: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:GatewayAccount", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        own = gcp.serviceaccount.Account(
            name, account_id=plan.account, display_name="Gateways of a cluster of slipway", opts=child
        )
        self.member = own.email.apply(lambda email: f"serviceAccount:{email}")
        gcp.serviceaccount.IAMMember(
            f"{name}-{GATEWAY}",
            service_account_id=own.name,
            role=BECOMES,
            member=f"serviceAccount:{project}.svc.id.goog[{namespace}/{GATEWAY}]",
            opts=child,
        )
        gcp.projects.IAMMember(
            f"{name}-limits",
            project=project,
            role=CONNECTS,
            member=self.member,
            condition=gcp.projects.IAMMemberConditionArgs(
                title=f"store of limits {plan.instance}",
                expression=f'resource.name.endsWith("/locations/{region}/instances/{plan.instance}")',
            ),
            opts=child,
        )
        self.register_outputs({})
