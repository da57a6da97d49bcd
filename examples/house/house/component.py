"""What the company adds to every site: those who are on call may read pods and their logs, and nothing else."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from house.platform import HouseSitePlan
from infra.plan.types import SitePlan
from infra.platforms.base import SiteSecrets
from infra.platforms.kubernetes.component import KubernetesSite

meta, rbac = kubernetes.meta.v1, kubernetes.rbac.v1


class HouseSite(KubernetesSite):
    """A site with everything that slipway makes, and the company's component beside it."""

    def __init__(
        self, name: str, plan: SitePlan, secrets: SiteSecrets, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, plan, secrets, opts)
        details: HouseSitePlan = plan.details
        OnCall(f"{name}-on-call", details, self.cluster.child(self))


class OnCall(pulumi.ComponentResource):
    """Owns the right of a group to read pods and logs in the site's namespace."""

    def __init__(self, name: str, plan: HouseSitePlan, opts: pulumi.ResourceOptions) -> None:
        super().__init__("house:serving:OnCall", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        metadata = meta.ObjectMetaArgs(name="on-call", namespace=plan.serving.namespace)
        role = rbac.Role(
            name,
            metadata=metadata,
            rules=[rbac.PolicyRuleArgs(api_groups=[""], resources=["pods", "pods/log"], verbs=["get", "list"])],
            opts=child,
        )
        rbac.RoleBinding(
            name,
            metadata=metadata,
            role_ref=rbac.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name="on-call"),
            subjects=[rbac.SubjectArgs(api_group="rbac.authorization.k8s.io", kind="Group", name=plan.on_call_group)],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[role])),
        )
        self.register_outputs({})
