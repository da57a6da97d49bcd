"""Platform `house_cluster`: a cluster that exists, where those who are on call may read what runs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

from pydantic import Field

from infra.plan.types import SitePlan
from infra.platforms.base import SiteRequest
from infra.platforms.kubernetes.config import KubernetesSettings
from infra.platforms.kubernetes.plan import Kubernetes, KubernetesSitePlan


class HouseClusterSettings(KubernetesSettings):
    """A cluster of the company."""

    kind: Literal["house_cluster"] = Field(description="A cluster of the company.")  # pyright: ignore[reportIncompatibleVariableOverride]
    on_call_group: str = Field(
        min_length=1, max_length=253, description="The group of the identity provider that may read pods and logs."
    )


@dataclass(frozen=True, kw_only=True)
class HouseSitePlan(KubernetesSitePlan):
    """The plan of such a site, with who may read."""

    on_call_group: str


class HouseCluster(Kubernetes):
    """Everything that the platform `kubernetes` decides, and one thing more."""

    settings = HouseClusterSettings
    component = "house.component:HouseSite"

    def plan(self, request: SiteRequest) -> SitePlan:
        settings: HouseClusterSettings = request.settings
        site = super().plan(request)
        decided = {field.name: getattr(site.details, field.name) for field in fields(KubernetesSitePlan)}
        return replace(
            site,
            platform="house_cluster",
            details=HouseSitePlan(**decided, on_call_group=settings.on_call_group),
            # Shown in the plan, so that a reviewer sees who is given what.
            security={**site.security, "on call": f"group {settings.on_call_group} reads pods and logs"},
        )


PLATFORM = HouseCluster()
