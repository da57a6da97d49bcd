"""The store in which gateways of a site on Google Cloud count together, where its user wants one beside the cluster:
Memorystore for Valkey, over zones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.plan.address_space import PRIVATE
from infra.plan.serving import ServingPlan
from infra.platforms.base import SiteRequest
from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.names import account_id
from infra.platforms.gcp.network import NetworkPlan
from infra.price.bill import Use
from infra.problems import Problem

ENGINE_VERSION = "VALKEY_8_0"
# As types of their resources begin.
SERVICES_USED = ("gcp:memorystore", "gcp:networkconnectivity")
# Budgets of months are in it: so many days back can be restored. At night in Europe and America.
BACKUP_DAYS, BACKUP_HOUR = 7, 3
MAINTENANCE_DAY, MAINTENANCE_HOUR = "SUNDAY", 4
# Who has this role connects, and may do nothing else to it (Memorystore documentation, "Manage IAM authentication",
# read 2026-11).
CONNECTS = "roles/memorystore.dbConnectionUser"
# Memorystore knows users and service accounts of Google's, and no others ("About IAM authentication", read 2026-11):
# gateways must be one.
BECOMES = "roles/iam.workloadIdentityUser"
ANNOTATION = "iam.gke.io/gcp-service-account"


@dataclass(frozen=True, kw_only=True)
class LimitsPlan:
    """One that writes and copies in other zones; a copy takes over when a zone goes. `addresses` are where gateways
    find it, `policy` lets it into a new network. `account` is the service account of Google's that gateways are, to it
    and to all else there. While the store is away, each gateway has its part of every limit."""

    instance: str
    node_type: str
    copies: int
    engine_version: str
    backup_days: int
    backup_hour: int
    maintenance_day: str
    maintenance_hour: int
    policy: str | None
    addresses: tuple[str, ...]
    account: str
    email: str

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        nodes = f"{1 + self.copies} × {self.node_type.replace('_', '-').lower()}"
        return f"{nodes} (Memorystore for Valkey), over zones"


def counts_beside(request: SiteRequest) -> bool:
    """Whether gateways count in Memorystore; a site whose user wants none has a Valkey in its cluster."""
    return request.settings.memorystore is not None


def limits_plan(name: str, settings: GcpSettings, network: NetworkPlan, serving: ServingPlan) -> LimitsPlan | None:
    """`name` is the cluster's, and the store's."""
    if not serving.limits_beside or settings.memorystore is None:
        return None
    account = account_id(name, "gateway")
    return LimitsPlan(
        instance=name,
        node_type=settings.memorystore.node_type.replace("-", "_").upper(),
        copies=max(1, len(set(settings.zones)) - 1),
        engine_version=ENGINE_VERSION,
        backup_days=BACKUP_DAYS,
        backup_hour=BACKUP_HOUR,
        maintenance_day=MAINTENANCE_DAY,
        maintenance_hour=MAINTENANCE_HOUR,
        # A network has one for all stores of a region: that of one that exists is its owner's.
        policy=None if network.nodes is None else name,
        # Nobody here knows the ranges of a network that exists.
        addresses=tuple(map(str, PRIVATE)) if network.nodes is None else (network.nodes,),
        account=account,
        email=f"{account}@{settings.project}.iam.gserviceaccount.com",
    )


def limits_problems(request: SiteRequest) -> Iterator[Problem]:
    """A store that nobody would count in."""
    if not counts_beside(request):
        return
    where = f"{request.where}.platform.memorystore"
    if "limits_store" in request.gateway:
        yield Problem(
            where=where,
            found="a store beside the cluster, and another one in `gateway.limits_store`",
            allowed="one of them",
            remedy="remove the one that gateways shall not count in",
        )
    elif request.gateways == 1:
        yield Problem(
            where=where,
            found="a store to count together in, for one gateway, which counts for itself",
            allowed="a store where several gateways run",
            remedy="remove `memorystore`, or use a topology with several gateways",
        )


def limits_uses(region: str, limits: LimitsPlan | None) -> Iterator[Use]:
    """No price list here has it: the plan says so, and a budget needs its price from the user."""
    if limits is not None:
        item = f"memorystore-{limits.node_type.replace('_', '-').lower()}"
        nodes = float(1 + limits.copies)
        yield Use(what="limits counted together", cloud="gcp", region=region, item=item, minimum=nodes, maximum=nodes)
