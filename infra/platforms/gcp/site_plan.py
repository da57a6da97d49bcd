"""What a site on Google Cloud is, once it is decided: what it takes beyond any cluster's, what it lacks, and how it is
told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.node_pools import NodePool
from infra.plan.serving import ServingSite
from infra.plan.site_drain import drain_text
from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.platforms.gcp.budget_plan import BudgetPlan
from infra.platforms.gcp.cluster_plan import ClusterPlan, api_text
from infra.platforms.gcp.front_door_plan import FrontDoorPlan
from infra.platforms.gcp.identity_plan import WorkloadRights
from infra.platforms.gcp.machines import NodesPlan
from infra.platforms.gcp.network import NetworkPlan, network_text
from infra.problems import Problem


@dataclass(frozen=True, kw_only=True)
class GcpSitePlan(ServingSite):
    """All of a site on Google Cloud. `services` are those of Google that it uses, which must be on in the project.
    `failover` is `primary` or `secondary` where another site has the same name."""

    project: str
    region: str
    zones: tuple[str, ...]
    services: tuple[str, ...]
    network: NetworkPlan
    cluster: ClusterPlan
    pools: Mapping[str, NodePool]
    machines: NodesPlan
    node_account: str
    node_roles: tuple[str, ...]
    identities: Mapping[str, WorkloadRights]
    repository: str
    front_door: FrontDoorPlan
    failover: str | None
    audit_bucket: AuditBucketPlan | None
    budget: BudgetPlan | None
    deletion_protection: bool
    labels: Mapping[str, str]

    @property
    def missing(self) -> tuple[Problem, ...]:
        """Also what can be planned for Google Cloud and is not made there by this version."""
        return (*self._not_there(), *super().missing)

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
        f"{'without' if door.requests_per_minute is None else 'with'} Cloud Armor",
        **_audit_text(details),
        **({"budget": details.budget.text} if details.budget else {}),
        "drain": drain_text(details.serving.drain),
        **{f"node pool {name}": pool.text for name, pool in details.pools.items()},
    }


def _audit_text(details: GcpSitePlan) -> dict[str, str]:
    audit, bucket = details.serving.gateway_pods.audit, details.audit_bucket
    if audit is None or bucket is None:
        return {}
    return {"audit": f"{bucket.text}; a node that is lost takes {audit.lost} with it"}
