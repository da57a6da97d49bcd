"""How long the first `up` of a site on AWS takes, step by step."""

from __future__ import annotations

from collections.abc import Iterator

from infra.catalog.instances import network_gbps
from infra.plan.cold_start import GIB, moved_seconds
from infra.plan.cold_start_rates import FETCH_GB_PER_SECOND
from infra.plan.first_up_types import UpStep
from infra.plan.start_types import Seen
from infra.plan.types import ModelPlan
from infra.plan.weights_bucket import is_kept
from infra.platforms.aws.cluster_plan import ClusterPlan
from infra.platforms.aws.front_door_plan import FrontDoorPlan
from infra.platforms.aws.limits_plan import LimitsPlan
from infra.platforms.aws.machines import PROVISION
from infra.platforms.aws.network import NetworkPlan
from infra.platforms.aws.weights_plan import keeps_weights
from infra.platforms.base import SiteRequest

# In minutes. Nobody publishes how long a NAT gateway or an interface endpoint takes.
NETWORK_MINUTES = Seen(
    low=2, high=5, source="experience only: most of it for NAT gateways and endpoints", as_of="2026-11"
)
CLUSTER_MINUTES = Seen(
    low=8.5,
    high=18,
    source="EKS API reference, CreateCluster: 10 to 15; public logs from 8.5 (DevopsArtFactory/terraform-provisioning "
    "pull request 46, 2024-10) to more than 16 (easontechtalk.com, 21 regions); the slow end is assumed",
    as_of="2026-11",
)
GROUPS_MINUTES = Seen(
    low=1.8,
    high=6,
    source="a public log of node groups, 1.8 to 2 (DevopsArtFactory/terraform-provisioning pull request 47); the slow "
    "end, with add-ons and controllers, is experience only",
    as_of="2024-10",
)
LIMITS_MINUTES = Seen(
    low=5,
    high=18,
    source="tests of hashicorp/terraform-provider-aws (pull request 17320): a group in several zones made and deleted "
    "in 18; the fast end is experience only",
    as_of="2021-01",
)
CERTIFICATE_MINUTES = Seen(
    low=1,
    high=10,
    source="aws/aws-cdk pull request 2961: at times more than 5, so that it waits 9.5; seldom more than an hour "
    "(hashicorp/terraform-provider-aws issue 9338); the fast end is experience only",
    as_of="2019-06",
)
NETWORK, CLUSTER, MACHINES, LIMITS = "network", "cluster", "first machines", "store of limits"
CERTIFICATE, WEIGHTS, ENGINES = "certificate", "weights into the bucket", "engines ready"


def first_up_steps(
    request: SiteRequest,
    network: NetworkPlan,
    cluster: ClusterPlan,
    door: FrontDoorPlan,
    limits: LimitsPlan | None,
) -> tuple[UpStep, ...]:
    """In the order in which they begin."""
    return tuple(_steps(request, network, cluster, door, limits))


def _steps(
    request: SiteRequest,
    network: NetworkPlan,
    cluster: ClusterPlan,
    door: FrontDoorPlan,
    limits: LimitsPlan | None,
) -> Iterator[UpStep]:
    if network.cidr:
        yield _step(NETWORK, NETWORK_MINUTES, f"{network.cidr}, NAT {network.nat}")
    yield _step(CERTIFICATE, CERTIFICATE_MINUTES, f"{door.host} and {door.site_host}, shown to be ours by DNS")
    if limits is not None:
        yield _step(LIMITS, LIMITS_MINUTES, limits.text, NETWORK)
    yield _step(CLUSTER, CLUSTER_MINUTES, f"{cluster.name}, EKS {cluster.kubernetes_version}", NETWORK)
    machines = GROUPS_MINUTES if not cluster.auto_mode else _in_minutes(PROVISION)
    yield _step(MACHINES, machines, "of gateways, with what the cluster itself runs", CLUSTER)
    copied = {name: plan for name, plan in request.models.items() if is_kept(plan.weights)}
    if keeps_weights(request.settings) and copied:
        yield _weights(copied, network_gbps("aws", request.settings.gateway_instance_type))
    if engines := _engines({name: plan for name, plan in request.models.items() if request.replicas[name].min}):
        yield engines


def _step(name: str, minutes: Seen, of: str, *after: str) -> UpStep:
    return UpStep(
        name=name, minutes_low=minutes.low, minutes_high=minutes.high, of=of, after=after, source=minutes.said
    )


def _in_minutes(seen: Seen) -> Seen:
    return Seen(low=_minutes(seen.low), high=_minutes(seen.high), source=seen.source, as_of=seen.as_of)


def _minutes(seconds: float) -> float:
    return round(seconds / 60, 2)


def _weights(models: dict[str, ModelPlan], gbps: float | None) -> UpStep:
    """One job for each model, beside one another."""
    known = {name: plan.operation.stored_gib * GIB for name, plan in models.items() if plan.operation.stored_gib}
    times = [moved_seconds(gb, FETCH_GB_PER_SECOND, gbps) for gb in known.values()]
    return UpStep(
        name=WEIGHTS,
        minutes_low=_minutes(max((low for low, _ in times), default=0.0)),
        minutes_high=_minutes(max((high for _, high in times), default=0.0)),
        of=", ".join(f"{name}, {known[name]:.1f} GB" if name in known else _unknown(name) for name in models),
        after=(MACHINES,),
        source=FETCH_GB_PER_SECOND.said,
    )


def _engines(models: dict[str, ModelPlan]) -> UpStep | None:
    """All at once, so that the slowest is what is waited for; None where none runs at rest."""
    if not models:
        return None
    known = {name: plan.cold_start for name, plan in models.items() if plan.cold_start}
    return UpStep(
        name=ENGINES,
        minutes_low=_minutes(max((start.total_seconds_low for start in known.values()), default=0.0)),
        minutes_high=_minutes(max((start.total_seconds for start in known.values()), default=0.0)),
        of=", ".join(name if name in known else _unknown(name) for name in models),
        after=(MACHINES, WEIGHTS),
        source="what this plan says of a start, phase by phase",
    )


def _unknown(name: str) -> str:
    return f"{name} (nobody knows how large it is: not counted)"
