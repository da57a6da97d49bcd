"""The store in which gateways of a site on AWS count together: ElastiCache for Valkey, a node in every zone."""

from __future__ import annotations

from dataclasses import dataclass

from infra.plan.address_space import PRIVATE
from infra.plan.serving import ServingPlan
from infra.platforms.aws.config import AwsSettings
from infra.platforms.aws.network import NetworkPlan

ENGINE_VERSION, FAMILY = "8.1", "valkey8"
# Budgets of months are in it: so many days back can be restored.
SNAPSHOT_DAYS = 7
# At night in Europe and America; the second must not overlap the first (ElastiCache user guide).
SNAPSHOT_WINDOW, MAINTENANCE_WINDOW = "03:00-04:00", "sun:04:30-sun:05:30"


@dataclass(frozen=True, kw_only=True)
class LimitsPlan:
    """One that writes and a copy in every other zone; a copy takes over when its zone goes. `addresses` are where
    gateways find it. While one takes over, each gateway has its part of every limit."""

    node_type: str
    zones: tuple[str, ...]
    engine_version: str
    family: str
    snapshot_days: int
    snapshot_window: str
    maintenance_window: str
    addresses: tuple[str, ...]

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        return f"{len(self.zones)} × {self.node_type} (ElastiCache for Valkey), one in each zone"


def limits_plan(settings: AwsSettings, network: NetworkPlan, serving: ServingPlan) -> LimitsPlan | None:
    """None where one gateway counts for itself, or several in a store of the user's."""
    if not serving.limits_beside:
        return None
    private = [subnet.cidr for subnet in network.of_role("private").values() if subnet.cidr]
    return LimitsPlan(
        node_type=settings.limits_node_type,
        zones=tuple(settings.zones),
        engine_version=ENGINE_VERSION,
        family=FAMILY,
        snapshot_days=SNAPSHOT_DAYS,
        snapshot_window=SNAPSHOT_WINDOW,
        maintenance_window=MAINTENANCE_WINDOW,
        # Nobody here knows the ranges of subnets that exist.
        addresses=tuple(private) or tuple(map(str, PRIVATE)),
    )
