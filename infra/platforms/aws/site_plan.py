"""What a site on AWS is, once it is decided: what it takes beyond any cluster's, what it lacks, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.charts import ChartPlan
from infra.plan.dashboards import dashboards
from infra.plan.first_up_types import UpStep
from infra.plan.keda import NAME as KEDA
from infra.plan.node_pools import NodePool
from infra.plan.place_map import PlaceMap
from infra.plan.quota_types import QuotaNeed
from infra.plan.serving import ServingSite, kept_audit
from infra.plan.site_drain import drain_text
from infra.platforms.aws.addon_checks import addons_text
from infra.platforms.aws.alarms import Alarm
from infra.platforms.aws.audit_plan import AuditBucketPlan
from infra.platforms.aws.budget_plan import BudgetPlan
from infra.platforms.aws.cluster_plan import ClusterPlan
from infra.platforms.aws.controllers_plan import Controller
from infra.platforms.aws.front_door_plan import FrontDoorPlan
from infra.platforms.aws.identity_plan import WorkloadRole
from infra.platforms.aws.limits_plan import LimitsPlan
from infra.platforms.aws.link_plan import PeeringPlan, VpnPlan
from infra.platforms.aws.machines import NodesPlan
from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.network import NetworkPlan
from infra.platforms.aws.place_map import beside, layers, names
from infra.platforms.aws.prometheus_plan import PrometheusPlan
from infra.problems import Problem


@dataclass(frozen=True, kw_only=True)
class AwsSitePlan(ServingSite):
    """All of a site on AWS. `roles` bounds its roles, and begins names of buckets too. `quotas` are what AWS must allow
    the account before, `first_up` the steps of its first deployment; `weights` says where those are kept."""

    region: str
    zones: tuple[str, ...]
    roles: RoleBounds
    network: NetworkPlan
    cluster: ClusterPlan
    pools: Mapping[str, NodePool]
    machines: NodesPlan
    controllers: Mapping[str, Controller]
    identities: Mapping[str, WorkloadRole]
    repositories: tuple[str, ...]
    front_door: FrontDoorPlan
    vpn: VpnPlan | None
    peering: PeeringPlan | None
    limits: LimitsPlan | None
    audit_bucket: AuditBucketPlan | None
    weights: str
    budget: BudgetPlan | None
    alarms: tuple[Alarm, ...]
    alarm_topics: tuple[str, ...]
    prometheus: PrometheusPlan | None
    deletion_protection: bool
    tags: Mapping[str, str]
    quotas: tuple[QuotaNeed, ...]
    first_up: tuple[UpStep, ...]

    @property
    def secrets_of_stack(self) -> tuple[str, ...]:
        """Also those of the private link, which no gateway is given."""
        return (*super().secrets_of_stack, *(self.vpn.secrets if self.vpn else ()))

    @property
    def link(self) -> VpnPlan | PeeringPlan | None:
        """What alone leads there, where it is not the internet."""
        return self.vpn or self.peering

    @property
    def keda(self) -> ChartPlan | None:
        """What scales engines by requests."""
        return self.controllers.get(KEDA)

    @property
    def missing(self) -> tuple[Problem, ...]:
        """Also replicas of several nodes, which nothing would start in Auto Mode."""
        return (*self._not_there(), *super().missing)

    @property
    def dashboards(self) -> Mapping[str, Any]:
        """Of what AWS collects."""
        kept, released = self.prometheus, self.serving.releases is not None
        return dashboards(self.serving.namespace, kept.kv_metrics, releases=released) if kept else {}

    @property
    def place_map(self) -> PlaceMap:
        """For its picture."""
        network, door = self.network, self.front_door
        return PlaceMap(
            region=self.region,
            network=f"VPC {network.cidr}" if network.cidr else f"{network.vpc_id}, which exists",
            zones=self.zones,
            names=names(door),
            layers=tuple(layers(network, self.cluster, door, self.pools, self.limits)),
            beside=tuple(
                beside(
                    door,
                    self.audit_bucket,
                    self.repositories,
                    self.identities,
                    self.alarms,
                    self.budget,
                    self.link,
                )
            ),
        )

    @property
    def collector(self) -> tuple[str, ...]:
        """From where metrics are asked for."""
        return self.prometheus.collector if self.prometheus else ()

    def _not_there(self) -> Iterator[Problem]:
        for name, engine in self.serving.engines.items():
            if engine.groups and self.cluster.auto_mode:
                yield Problem(
                    where=dotted(DEPLOYMENT_KEY, ("models", name, "accelerator", "nodes")),
                    found=f"{engine.groups.size}, with nodes that EKS itself runs: machines of one replica would "
                    "neither be near one another nor have EFA, and the cluster would lack LeaderWorkerSet",
                    allowed="replicas of one node in Auto Mode, or of several on node groups of ours",
                    remedy="write `nodes: {kind: managed}`, or choose GPUs of which one machine holds it",
                )


def summary(details: AwsSitePlan) -> dict[str, str]:
    """For a reader of the plan."""
    access = ", ".join(details.cluster.public_cidrs) or "from inside its network only"
    door = details.front_door
    return {
        "region": f"{details.region}, zones {', '.join(details.zones)}",
        "network": _network_text(details.network),
        "cluster": f"{details.cluster.name}, EKS {details.cluster.kubernetes_version}, {details.cluster.nodes}; "
        f"API {access}",
        "add-ons": addons_text(details.cluster),
        "front door": f"{'internal ' if door.internal else ''}load balancer for {door.host} and {door.site_host}, "
        f"{'with' if door.managed_rules else 'without'} a firewall",
        **({"private link": details.link.text} if details.link else {}),
        **({"limits": f"counted together in {details.limits.text}"} if details.limits else {}),
        "weights": details.weights,
        **kept_audit(details.serving, details.audit_bucket.text if details.audit_bucket else None),
        **({"budget": details.budget.text} if details.budget else {}),
        **({"metrics": details.prometheus.text} if details.prometheus else {}),
        "drain": drain_text(details.serving.drain),
        **{f"node pool {name}": pool.text for name, pool in details.pools.items()},
        **_fabric_text(details.machines),
        **_sharing_text(details.machines),
        **({"controllers": ", ".join(one.text for one in details.controllers.values())} if details.controllers else {}),
    }


def _fabric_text(machines: NodesPlan) -> dict[str, str]:
    """Of pools whose machines talk by more than their network."""
    return {
        f"fabric {pool.pool}": f"{pool.devices} EFA devices on each machine, and a placement group in each zone"
        for pool in machines.pools.values()
        if pool.devices
    }


def _sharing_text(machines: NodesPlan) -> dict[str, str]:
    """Of pools whose GPUs are not a replica's own."""
    return {f"shared GPUs {pool.pool}": pool.sharing.text for pool in machines.pools.values() if pool.sharing}


def _network_text(network: NetworkPlan) -> str:
    services = f"services {network.services_cidr or 'as EKS chooses'}"
    if network.cidr is None:
        return f"{network.vpc_id}, {services}"
    return f"{network.cidr} with room for {network.nodes_per_zone} nodes in a zone, {services}, NAT {network.nat}"
