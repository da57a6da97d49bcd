"""The plan of a site on AWS: network, cluster, node pools, front door, and what runs inside the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.catalog.instances import network_gbps
from infra.naming import normalised
from infra.plan.cluster_uses import NODE_DISK_GB, site_uses
from infra.plan.drain_caps import APPLICATION_LOAD_BALANCER, EKS_AUTO_MODE_NODES, EKS_MANAGED_NODES, Nodes
from infra.plan.drain_ladder import DrainRequest, drain_problems
from infra.plan.node_pools import NodePool, machine_for, most_gpus, node_pools, shape_problems
from infra.plan.one_pod import one_pod_problems, one_pod_warnings
from infra.plan.serving import IN_A_CONTAINER, ServingSite, in_transit, serving_plan
from infra.plan.site_drain import drain_text, site_drain, site_drain_plan, site_drain_warnings
from infra.plan.start_types import Seen, StartingPlace
from infra.plan.types import Accelerator, SitePlan
from infra.plan.zone_loss import SinglePoint
from infra.platforms.aws.config import AwsSettings, ManagedNodes
from infra.platforms.aws.network import NetworkPlan, network_plan, network_problems, network_ranges
from infra.platforms.aws.shapes import SHAPES
from infra.platforms.base import Abilities, OtherPurchase, Range, SiteRequest
from infra.platforms.clusters import (
    api_access,
    deletion,
    endpoint_problems,
    firewall,
    inside_problems,
    purchases,
    zone_problems,
)
from infra.price.bill import Use
from infra.problems import Problem, listing
from infra.sizing.types import GIB

# What CloudWatch keeps logs for.
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
GIVES_UP = {"spot": "a machine may be taken away with 120 s notice, and its price moves"}
MOST_GPUS = most_gpus(SHAPES)
PROVISION = Seen(
    low=60,
    high=300,
    source="public report of a Karpenter node with its pod: about 5 minutes; the fast end is assumed",
    as_of="2025-05",
)
# Rules about bodies that prompts set off: counted, never refused.
COUNTED_RULES = (
    *("SizeRestrictions_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY", "CrossSiteScripting_BODY"),
    *("Log4JRCE_BODY", "JavaDeserializationRCE_BODY", "NoUserAgent_HEADER"),
)


@dataclass(frozen=True, kw_only=True)
class ClusterPlan:
    """The EKS cluster. `public_cidrs` is empty for a private one."""

    name: str
    kubernetes_version: str
    public_cidrs: tuple[str, ...]
    nodes: str
    node_image: str | None
    root_volume_gibibytes: int | None
    log_retention_days: int


@dataclass(frozen=True, kw_only=True)
class FrontDoorPlan:
    """The load balancer and its name. `internal` when there is no public subnet. Without a firewall, the last two are
    None and empty."""

    host: str
    site_host: str
    hosted_zone_id: str | None
    internal: bool
    deregistration_seconds: int
    idle_seconds: int
    requests_per_five_minutes: int | None
    counted_rules: tuple[str, ...]


NAT_OF_ONE_ZONE = SinglePoint(
    field="nat",
    found="`single`: without its zone no node reaches the internet",
    allowed="`per_zone`, or `none`, with what nodes need inside of AWS",
    remedy="write `per_zone`, or name a `topology.standby`",
)


@dataclass(frozen=True, kw_only=True)
class AwsSitePlan(ServingSite):
    """All of a site on AWS."""

    region: str
    zones: tuple[str, ...]
    network: NetworkPlan
    cluster: ClusterPlan
    pools: Mapping[str, NodePool]
    reservation_id: str | None
    front_door: FrontDoorPlan
    deletion_protection: bool
    tags: Mapping[str, str]


class Aws:
    """Implements the platform `aws`."""

    settings = AwsSettings
    is_this_machine = False
    component = None
    doctor = None
    engine_address = IN_A_CONTAINER

    def abilities(self, settings: AwsSettings) -> Abilities:
        return Abilities(
            zones=len(set(settings.zones)),
            scales_to_zero=True,
            cloud="aws",
            region=settings.region,
            gpus=MOST_GPUS,
            counts_together=True,
            single_points=(NAT_OF_ONE_ZONE,) if settings.nat == "single" else (),
            several_nodes=True,
        )

    def ranges(self, request: SiteRequest) -> Iterator[Range]:
        nodes = sum(pool.max_nodes for pool in _pools(request).values())
        return network_ranges(request.settings, nodes, len(request.models))

    def starting_place(self, settings: AwsSettings, accelerator: Accelerator | None) -> StartingPlace:
        machine, share = machine_for(accelerator, SHAPES, settings.processor_instance_type)
        return StartingPlace(
            name="AWS",
            provision=PROVISION,
            network_gbps=network_gbps("aws", machine),
            can_cache_weights=True,
            can_keep_spares=True,
            longest_drain_seconds=_ended_by(settings).longest_grace_seconds,
            cloud="aws",
            region=settings.region,
            spare_items=((machine, share),),
            spare_purchase=settings.nodes.purchase[0],
        )

    def problems(self, request: SiteRequest) -> Iterator[Problem]:
        settings: AwsSettings = request.settings
        where = f"{request.where}.platform"
        example = f"{settings.region}a"
        yield from zone_problems(
            where, settings.zones, settings.region, example, lambda zone: zone.startswith(settings.region)
        )
        yield from network_problems(where, settings)
        yield from endpoint_problems(f"{where}.api_endpoint", settings.api_endpoint)
        yield from shape_problems(request, SHAPES, "AWS")
        yield from _purchase_problems(where, request)
        yield from drain_problems(_drain(request))
        yield from one_pod_problems(request)
        yield from inside_problems(request)

    def warnings(self, request: SiteRequest) -> Iterator[str]:
        settings: AwsSettings = request.settings
        site = f"site `{request.site}`"
        if settings.waf is None:
            yield f"{site}: no web application firewall is in front (`waf: null`)"
        if not settings.deletion_protection:
            yield f"{site}: one wrong command deletes it (`deletion_protection: false`)"
        if settings.nat == "single" and settings.network.cidr:
            yield f"{site}: when the zone `{settings.zones[0]}` is gone, no node reaches the internet (`nat: single`)"
        yield from site_drain_warnings(request, _drain(request))
        yield from one_pod_warnings(request)

    def plan(self, request: SiteRequest) -> SitePlan:
        settings: AwsSettings = request.settings
        name = normalised(f"{request.stack}-{request.site}")
        zones = tuple(settings.zones)
        serving = serving_plan(request, "slipway", _drain(request), zones)
        network = network_plan(settings)
        nodes = settings.nodes
        managed = nodes if isinstance(nodes, ManagedNodes) else None
        waf = settings.waf
        details = AwsSitePlan(
            region=settings.region,
            zones=zones,
            network=network,
            cluster=ClusterPlan(
                name=f"slipway-{name}",
                kubernetes_version=settings.kubernetes_version,
                public_cidrs=tuple(settings.api_endpoint.cidrs),
                nodes=str(nodes.kind),
                node_image=managed.image if managed else None,
                root_volume_gibibytes=managed.root_volume_gibibytes if managed else None,
                log_retention_days=next(days for days in LOG_DAYS if days >= settings.log_retention_days),
            ),
            pools=_pools(request),
            reservation_id=settings.reservation_id,
            front_door=FrontDoorPlan(
                host=settings.domain,
                site_host=f"{normalised(request.site)}.{settings.domain}",
                hosted_zone_id=settings.hosted_zone_id,
                internal=not any(subnet.role == "public" for subnet in network.subnets.values()),
                deregistration_seconds=serving.drain.load_balancer_deregistration_seconds,
                idle_seconds=serving.drain.load_balancer_idle_seconds,
                requests_per_five_minutes=waf.requests_per_five_minutes if waf else None,
                counted_rules=COUNTED_RULES if waf else (),
            ),
            serving=serving,
            deletion_protection=settings.deletion_protection,
            tags={"slipway:stack": request.stack, "slipway:site": request.site, **settings.tags},
        )
        return SitePlan(
            platform="aws",
            endpoint=f"https://{settings.domain}",
            models=tuple(request.models),
            replicas=request.replicas,
            gateways=request.gateways,
            node_pools=tuple(details.pools.values()),
            drain=site_drain_plan(serving.drain),
            summary=_summary(details),
            security={
                "cluster's API": api_access(settings.api_endpoint),
                "nodes": "in private subnets" if network.cidr else "in the subnets that were given",
                "front door": f"{'inside the network' if details.front_door.internal else 'on the internet'}, over TLS",
                "in transit": in_transit(serving),
                "firewall for the web": firewall(details.front_door.requests_per_five_minutes, "five minutes"),
                "deletion": deletion(protected=settings.deletion_protection),
            },
            details=details,
        )

    def other_purchases(self, settings: AwsSettings) -> Iterator[OtherPurchase]:
        for written, nodes, lost in purchases(settings.nodes, GIVES_UP):
            # Without `reservation` in it nothing may name one.
            other = settings.model_copy(update={"nodes": nodes, "reservation_id": None})
            yield OtherPurchase(written=written, settings=other, gives_up=(lost,))

    def uses(self, request: SiteRequest, plan: SitePlan) -> Iterator[Use]:
        details: AwsSitePlan = plan.details
        volume = details.cluster.root_volume_gibibytes
        return site_uses(
            request,
            details.pools,
            cloud="aws",
            region=details.region,
            nat_zones={"none": 0, "single": 1}.get(details.network.nat, len(details.zones)),
            disk_gb=volume * GIB / 1e9 if volume else NODE_DISK_GB,
            auto_mode=details.cluster.nodes == "auto_mode",
        )


def _summary(details: AwsSitePlan) -> dict[str, str]:
    access = ", ".join(details.cluster.public_cidrs) or "from inside its network only"
    door = details.front_door
    return {
        "region": f"{details.region}, zones {', '.join(details.zones)}",
        "network": _network_text(details.network),
        "cluster": f"{details.cluster.name}, EKS {details.cluster.kubernetes_version}, {details.cluster.nodes}; "
        f"API {access}",
        "front door": f"{'internal ' if door.internal else ''}load balancer for {door.host} and {door.site_host}, "
        f"{'with' if door.counted_rules else 'without'} a firewall",
        "drain": drain_text(details.serving.drain),
        **{f"node pool {name}": pool.text for name, pool in details.pools.items()},
    }


def _network_text(network: NetworkPlan) -> str:
    services = f"services {network.services_cidr or 'as EKS chooses'}"
    if network.cidr is None:
        return f"{network.vpc_id}, {services}"
    return f"{network.cidr} with room for {network.nodes_per_zone} nodes in a zone, {services}, NAT {network.nat}"


def _pools(request: SiteRequest) -> dict[str, NodePool]:
    settings: AwsSettings = request.settings
    return node_pools(
        request,
        shapes=SHAPES,
        zones=tuple(settings.zones),
        purchase=tuple(settings.nodes.purchase),
        gateway_shape=settings.gateway_instance_type,
        processor_shape=settings.processor_instance_type,
    )


def _purchase_problems(where: str, request: SiteRequest) -> Iterator[Problem]:
    settings: AwsSettings = request.settings
    purchase = settings.nodes.purchase
    if len({*purchase}) != len(purchase):
        yield Problem(
            where=f"{where}.nodes.purchase",
            found=listing(purchase),
            allowed="each once, in the order in which they are asked for",
            remedy="remove what is there twice",
        )
    if ("reservation" in purchase) != (settings.reservation_id is not None):
        named = settings.reservation_id is not None
        yield Problem(
            where=f"{where}.reservation_id",
            found="a reservation that `nodes.purchase` does not use" if named else "nothing, with `reservation`",
            allowed="the id of a reservation, exactly when `reservation` is in `nodes.purchase`",
            remedy="add `reservation` to `nodes.purchase`" if named else "add `reservation_id: cr-…`",
        )


def _drain(request: SiteRequest) -> DrainRequest:
    settings: AwsSettings = request.settings
    return site_drain(request, APPLICATION_LOAD_BALANCER, _ended_by(settings), spot="spot" in settings.nodes.purchase)


def _ended_by(settings: AwsSettings) -> Nodes:
    return EKS_MANAGED_NODES if isinstance(settings.nodes, ManagedNodes) else EKS_AUTO_MODE_NODES


PLATFORM = Aws()
