"""What a site on Google Cloud is, once it is decided: what it takes beyond any cluster's, what it lacks, and how it is
told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.charts import ChartPlan
from infra.plan.node_pools import NodePool
from infra.plan.place_map import PlaceMap
from infra.plan.quota_types import QuotaNeed
from infra.plan.serving import ServingSite, kept_audit
from infra.plan.site_drain import drain_text
from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.platforms.gcp.budget_plan import BudgetPlan
from infra.platforms.gcp.cluster_plan import ClusterPlan, api_text
from infra.platforms.gcp.front_door_plan import FrontDoorPlan
from infra.platforms.gcp.identity_plan import WorkloadRights
from infra.platforms.gcp.limits_plan import LimitsPlan
from infra.platforms.gcp.link_plan import PeeringPlan
from infra.platforms.gcp.machines import NodesPlan
from infra.platforms.gcp.network import NetworkPlan, network_text
from infra.platforms.gcp.place_map import beside, layers, names, title
from infra.platforms.gcp.vpn_plan import VpnPlan
from infra.problems import Problem


@dataclass(frozen=True, kw_only=True)
class GcpSitePlan(ServingSite):
    """All of a site on Google Cloud. `services` are those of Google that it uses, which must be on in the project.
    `quotas` is what it must be allowed. `failover` is `primary` or `secondary` where another site has the same name."""

    project: str
    region: str
    zones: tuple[str, ...]
    services: tuple[str, ...]
    network: NetworkPlan
    cluster: ClusterPlan
    pools: Mapping[str, NodePool]
    machines: NodesPlan
    keda: ChartPlan | None
    node_account: str
    node_roles: tuple[str, ...]
    identities: Mapping[str, WorkloadRights]
    repository: str
    weights: str
    front_door: FrontDoorPlan
    vpn: VpnPlan | None
    peering: PeeringPlan | None
    failover: str | None
    audit_bucket: AuditBucketPlan | None
    budget: BudgetPlan | None
    limits: LimitsPlan | None
    quotas: tuple[QuotaNeed, ...]
    deletion_protection: bool
    labels: Mapping[str, str]

    @property
    def secrets_of_stack(self) -> tuple[str, ...]:
        """Also those of the private link, which no gateway is given."""
        link = tuple(tunnel.secret for tunnel in self.vpn.tunnels) if self.vpn else ()
        return (*super().secrets_of_stack, *link)

    @property
    def link(self) -> VpnPlan | PeeringPlan | None:
        """What alone leads there, where it is not the internet."""
        return self.vpn or self.peering

    @property
    def missing(self) -> tuple[Problem, ...]:
        """Also what can be planned for Google Cloud and is not made there by this version."""
        return (*self._not_there(), *super().missing)

    @property
    def place_map(self) -> PlaceMap:
        """For its picture."""
        door = self.front_door
        limits = self.limits.text if self.limits else "a Valkey of the site" if self.serving.shared_limits else None
        return PlaceMap(
            region=self.region,
            network=title(self.network),
            zones=self.zones,
            names=names(door),
            layers=tuple(layers(self.network, self.cluster, door, self.pools, self.zones, limits=limits)),
            beside=tuple(
                beside(door, self.audit_bucket, self.repository, tuple(self.identities), self.budget, self.link)
            ),
        )

    def _not_there(self) -> Iterator[Problem]:
        for name, engine in self.serving.engines.items():
            if engine.groups:
                yield Problem(
                    where=dotted(DEPLOYMENT_KEY, ("models", name, "accelerator", "nodes")),
                    found=f"{engine.groups.size}, which can be planned on Google Cloud but not deployed by this "
                    "version: the cluster would lack LeaderWorkerSet",
                    allowed="replicas of one node on Google Cloud, or of several on a cluster that has LeaderWorkerSet",
                    remedy="choose GPUs of which one machine holds it, or the platform `kubernetes`",
                )
        if self.failover is not None:
            yield Problem(
                where=dotted(DEPLOYMENT_KEY, ("topology", "standby")),
                found="a standby on Google Cloud, which can be planned but not deployed by this version: its name "
                "would lead to one of the sites only",
                allowed="a standby between sites on AWS, or one site on Google Cloud",
                remedy="remove `standby`, or use the platform `aws`",
            )
        audit = self.serving.gateway_pods.audit
        if audit is not None and audit.volume is not None:
            yield Problem(
                where=dotted(DEPLOYMENT_KEY, ("gateway", "audit", "content")),
                found="`encrypted`, whose keys would be kept on a file system that this version does not make on "
                "Google Cloud",
                allowed="an audit without content there: it goes to a bucket of the site",
                remedy="remove `content`, or use the platform `aws` or `kubernetes`",
            )


def summary(details: GcpSitePlan) -> dict[str, str]:
    """For a reader of the plan."""
    door = details.front_door
    return {
        "region": f"{details.region}, zones {', '.join(details.zones)}, project {details.project}",
        "network": network_text(details.network),
        "cluster": f"{details.cluster.name}, GKE channel {details.cluster.release_channel}; "
        f"API {api_text(details.cluster)}",
        "front door": f"load balancer for {door.host} and {door.site_host}, "
        + (door.where if door.inside else f"{'without' if door.requests_per_minute is None else 'with'} Cloud Armor"),
        **({"private link": details.link.text} if details.link else {}),
        "weights": details.weights,
        **kept_audit(details.serving, details.audit_bucket.text if details.audit_bucket else None),
        **({"limits": f"counted together in {details.limits.text}"} if details.limits else {}),
        **({"budget": details.budget.text} if details.budget else {}),
        **_images_text(details.machines.image_disk),
        **{f"shared GPUs {one.pool}": one.shares.text for one in details.machines.pools.values() if one.shares},
        "drain": drain_text(details.serving.drain),
        **{f"node pool {name}": pool.text for name, pool in details.pools.items()},
        **({"controllers": details.keda.text} if details.keda else {}),
    }


def _images_text(disk: str | None) -> dict[str, str]:
    """Nobody here sees what is on it."""
    if disk is None:
        return {}
    return {"images": f"on a disk of `{disk}` that each machine of models gets; starts are counted as without it"}
