"""The plan of a site on Google Cloud: network, cluster, node pools, front door, and what runs inside the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.catalog.instances import network_gbps
from infra.naming import normalised
from infra.plan.cluster_uses import site_uses
from infra.plan.drain_caps import GKE_NODES, GOOGLE_LOAD_BALANCER
from infra.plan.drain_ladder import DrainRequest, drain_problems
from infra.plan.keda import keda_plan
from infra.plan.node_pools import NodePool, most_gpus, node_pools, shape_problems
from infra.plan.one_pod import one_pod_problems, one_pod_warnings
from infra.plan.pool_nodes import engines_on
from infra.plan.purchase_checks import purchase_problems
from infra.plan.serving import IN_A_CONTAINER, in_transit, serving_plan
from infra.plan.site_drain import site_drain, site_drain_plan, site_drain_warnings
from infra.plan.start_types import Seen, StartingPlace
from infra.plan.types import Accelerator, SitePlan
from infra.platforms.base import Abilities, OtherPurchase, Range, SiteRequest
from infra.platforms.clusters import (
    chart_problems,
    deletion,
    endpoint_problems,
    firewall,
    inside_problems,
    inside_warnings,
    purchases,
    zone_problems,
)
from infra.platforms.gcp.audit_plan import audit_bucket_plan, with_audit_bucket
from infra.platforms.gcp.budget_plan import budget_plan
from infra.platforms.gcp.cluster_plan import api_text, cluster_plan
from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.front_door_plan import front_door_plan
from infra.platforms.gcp.gpu_sharing import MACHINES, machine_of, shapes, shared_by
from infra.platforms.gcp.identity_plan import NODE_ROLES, workload_rights
from infra.platforms.gcp.limits_plan import SERVICES_USED as LIMITS_SERVICES_USED
from infra.platforms.gcp.limits_plan import counts_beside, limits_plan, limits_problems, limits_uses
from infra.platforms.gcp.link_plan import is_linked, link_problems, peering_plan, way
from infra.platforms.gcp.machines import nodes_plan
from infra.platforms.gcp.names import account_id, cluster_name, name_problems
from infra.platforms.gcp.network import network_plan, network_ranges
from infra.platforms.gcp.node_checks import node_problems
from infra.platforms.gcp.quotas import quota_needs
from infra.platforms.gcp.secrets_plan import secrets_problems
from infra.platforms.gcp.shapes import PRICED_AS, SHAPES
from infra.platforms.gcp.site_plan import GcpSitePlan, summary
from infra.platforms.gcp.vpn_plan import vpn_plan, vpn_uses
from infra.platforms.gcp.weights_plan import in_cluster, keeps_weights, mounts_weights, weights_text, weights_warnings
from infra.platforms.gpu_shares import sharing_warnings
from infra.platforms.site_weights import stored_gb
from infra.price.bill import Use
from infra.problems import Problem
from infra.sizing.types import GIB

GIVES_UP = {
    "spot": "a machine may be taken away with 15 s notice for its pods, and its price moves",
    "flex_start": "machines come when there are some, and each ends after `nodes.flex_start_seconds`",
}
MOST_GPUS = most_gpus(SHAPES)
# As types of their resources begin.
SERVICES_USED = (
    "gcp:artifactregistry",
    "gcp:billing",
    "gcp:certificatemanager",
    "gcp:compute",
    "gcp:container",
    "gcp:dns",
    "gcp:kms",
    "gcp:projects",
    "gcp:secretmanager",
    "gcp:serviceaccount",
    "gcp:storage",
)
PROVISION = Seen(
    low=120,
    high=900,
    source="cluster-autoscaler source: a GPU can take up to 15 minutes to be allocatable; the fast end is assumed",
    as_of="2026-11",
)


# What a site uses of Google Cloud: each must be on in its project.
SERVICES = (
    *("artifactregistry", "certificatemanager", "cloudkms", "cloudresourcemanager", "compute", "container", "dns"),
    *("iam", "logging", "monitoring", "networkservices", "secretmanager", "storage"),
)


class Gcp:
    """Implements the platform `gcp`."""

    settings = GcpSettings
    is_this_machine = False
    extras = ("gcp",)
    component = "infra.platforms.gcp.component:GcpSite"
    run_time = "infra.platforms.kubernetes.run_time:RUN_TIME"
    doctor = "infra.platforms.gcp.doctor:DOCTOR"
    engine_address = IN_A_CONTAINER

    def abilities(self, settings: GcpSettings) -> Abilities:
        return Abilities(
            zones=len(set(settings.zones)),
            scales_to_zero=settings.keda,
            cloud="gcp",
            region=settings.region,
            gpus=MOST_GPUS,
            counts_together=True,
            several_nodes=True,
            runs_jobs=True,
            keeps_weights=keeps_weights(settings),
            endpoint=f"https://{settings.domain}",
            way=way(settings),
            tls_ends_at="the load balancer of Google Cloud",
            services=(*SERVICES_USED, *(LIMITS_SERVICES_USED if settings.memorystore else ())),
            audit_days=settings.audit_bucket.days,
            shared_by=shared_by(settings),
        )

    def ranges(self, request: SiteRequest) -> Iterator[Range]:
        nodes = sum(pool.max_nodes for pool in _pools(request).values())
        return network_ranges(request.settings, nodes, len(request.models))

    def starting_place(self, settings: GcpSettings, accelerator: Accelerator | None) -> StartingPlace:
        machine, share = machine_of(settings, accelerator)
        listed = PRICED_AS.get(machine, machine)
        return StartingPlace(
            name="Google Cloud",
            provision=PROVISION,
            streams_images=settings.nodes.image_streaming,
            keeps_weights=keeps_weights(settings),
            mounts_weights=mounts_weights(settings),
            network_gbps=network_gbps("gcp", listed),
            can_cache_weights=True,
            can_keep_spares=True,
            longest_drain_seconds=GKE_NODES.longest_grace_seconds,
            cloud="gcp",
            region=settings.region,
            spare_items=((listed, share),),
            spare_purchase=settings.nodes.purchase[0],
        )

    def problems(self, request: SiteRequest) -> Iterator[Problem]:
        settings: GcpSettings = request.settings
        where = f"{request.where}.platform"
        example = f"{settings.region}-a"
        yield from name_problems(request)
        yield from zone_problems(
            where, settings.zones, settings.region, example, lambda zone: zone.rpartition("-")[0] == settings.region
        )
        yield from endpoint_problems(f"{where}.api_endpoint", settings.api_endpoint)
        yield from shape_problems(request, SHAPES, "Google Cloud")
        nodes = request.settings.nodes
        own = f"{where}.nodes"
        yield from purchase_problems(own, nodes.purchase, f"{own}.reservation", nodes.reservation)
        yield from MACHINES.problems(f"{own}.sharing", nodes.sharing, request.models)
        yield from node_problems(own, nodes, _pools(request))
        yield from drain_problems(_drain(request))
        yield from link_problems(where, settings)
        if settings.keda and not settings.nat and settings.network.cidr is not None:
            yield from chart_problems(f"{where}.nat", "false", "`true`", {"keda: true": "keda: false"})
        yield from secrets_problems(f"{where}.client_keys_from", settings.client_keys_from.source)
        yield from limits_problems(request)
        yield from one_pod_problems(request)
        yield from inside_problems(request, in_cluster(settings))

    def warnings(self, request: SiteRequest) -> Iterator[str]:
        settings: GcpSettings = request.settings
        site = f"site `{request.site}`"
        if settings.armor is None and not is_linked(settings):
            yield f"{site}: no firewall for the web is in front (`armor: null`)"
        if not settings.deletion_protection:
            yield f"{site}: one wrong command deletes it (`deletion_protection: false`)"
        if not settings.binary_authorization:
            yield f"{site}: the cluster runs any image (`binary_authorization: false`)"
        if "flex_start" in settings.nodes.purchase:
            yield f"{site}: answers may be cut when a machine of `flex_start` ends after its time"
        yield from weights_warnings(request)
        yield from sharing_warnings(settings.nodes.sharing, request.models)
        yield from site_drain_warnings(request, _drain(request))
        yield from one_pod_warnings(request)
        yield from inside_warnings(request, in_cluster(settings), charts=settings.keda)

    def plan(self, request: SiteRequest) -> SitePlan:
        settings: GcpSettings = request.settings
        audit_bucket = audit_bucket_plan(settings, request.gateway)
        request = with_audit_bucket(request, audit_bucket)
        zones, pools = tuple(settings.zones), _pools(request)
        beside, keys = counts_beside(request), settings.client_keys_from.source
        facts = replace(in_cluster(settings), limits_store=beside, limits_by_identity=beside)
        serving = serving_plan(request, "slipway", _drain(request), zones, keys, facts)
        serving = replace(serving, engines=engines_on(serving.engines, pools, "gcp", PRICED_AS))
        name = cluster_name(request.stack, request.site)
        network = network_plan(name, settings)
        machines = nodes_plan(settings, pools, serving.engines)
        budget = budget_plan(request, settings, normalised(request.stack))
        door = front_door_plan(request, settings, network, serving.drain)
        limits = limits_plan(name, settings, network, serving)
        details = GcpSitePlan(
            project=settings.project,
            region=settings.region,
            zones=zones,
            services=tuple(
                f"{service}.googleapis.com"
                for service in (
                    *SERVICES,
                    *(["billingbudgets"] * bool(budget)),
                    *(["memorystore", "networkconnectivity"] * bool(limits)),
                )
            ),
            network=network,
            cluster=cluster_plan(name, settings, network),
            pools=pools,
            machines=machines,
            keda=keda_plan(serving) if settings.keda else None,
            node_account=account_id(name, "nodes"),
            node_roles=NODE_ROLES,
            identities=workload_rights(serving, request.models, audit_bucket, kept=keeps_weights(settings)),
            repository=name,
            weights=weights_text(request),
            front_door=door,
            vpn=vpn_plan(settings),
            peering=peering_plan(settings),
            failover=request.failover,
            audit_bucket=audit_bucket,
            budget=budget,
            limits=limits,
            quotas=quota_needs(machines, network, door),
            serving=serving,
            deletion_protection=settings.deletion_protection,
            labels={"slipway-stack": normalised(request.stack), "slipway-site": normalised(request.site)}
            | settings.labels,
        )
        return SitePlan(
            platform="gcp",
            endpoint=f"https://{settings.domain}",
            models=tuple(request.models),
            replicas=request.replicas,
            gateways=request.gateways,
            node_pools=tuple(details.pools.values()),
            drain=site_drain_plan(serving.drain),
            summary=summary(details),
            security={
                "cluster's API": api_text(details.cluster),
                "nodes": "private, with an account of their own",
                "front door": f"{door.where}, over TLS",
                "in transit": in_transit(serving),
                "firewall for the web": firewall(details.front_door.requests_per_minute, "a minute"),
                "images": "those that the project's Binary Authorization allows"
                if settings.binary_authorization
                else "any image runs",
                "deletion": deletion(protected=settings.deletion_protection),
            },
            details=details,
        )

    def other_purchases(self, settings: GcpSettings) -> Iterator[OtherPurchase]:
        for written, nodes, lost in purchases(settings.nodes, GIVES_UP):
            # Without `reservation` in it nothing may name one.
            other = settings.model_copy(update={"nodes": nodes.model_copy(update={"reservation": None})})
            yield OtherPurchase(written=written, settings=other, gives_up=(lost,))

    def uses(self, request: SiteRequest, plan: SitePlan) -> Iterator[Use]:
        details: GcpSitePlan = plan.details
        yield from site_uses(
            request,
            details.pools,
            cloud="gcp",
            region=details.region,
            items=PRICED_AS,
            nat_gateways=1 if details.network.nat else 0,  # Cloud NAT is one of all zones
            disk_gb=details.machines.disk_gibibytes * GIB / 1e9,
            stored_gb=stored_gb(request.models, kept=keeps_weights(request.settings)),
        )
        yield from vpn_uses(details.vpn, details.region)
        yield from limits_uses(details.region, details.limits)


def _pools(request: SiteRequest) -> dict[str, NodePool]:
    settings: GcpSettings = request.settings
    return node_pools(
        request,
        shapes=shapes(settings),
        shared_by=shared_by(settings),
        zones=tuple(settings.zones),
        purchase=tuple(settings.nodes.purchase),
        gateway_shape=settings.gateway_machine_type,
        processor_shape=settings.processor_machine_type,
    )


def _drain(request: SiteRequest) -> DrainRequest:
    return site_drain(request, GOOGLE_LOAD_BALANCER, GKE_NODES, spot="spot" in request.settings.nodes.purchase)


PLATFORM = Gcp()
