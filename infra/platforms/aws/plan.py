"""The plan of a site on AWS: network, cluster, node pools, front door, and what runs inside the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.catalog.instances import network_gbps
from infra.plan.cluster_uses import site_uses
from infra.plan.drain_caps import APPLICATION_LOAD_BALANCER, EKS_AUTO_MODE_NODES, EKS_MANAGED_NODES, Nodes
from infra.plan.drain_ladder import DrainRequest, drain_problems
from infra.plan.gateway_pods import gateway_secret_names
from infra.plan.node_pools import NodePool, most_gpus, node_pools, shape_problems
from infra.plan.one_pod import one_pod_problems, one_pod_warnings
from infra.plan.pool_nodes import engines_on
from infra.plan.purchase_checks import purchase_problems
from infra.plan.serving import IN_A_CONTAINER, serving_plan
from infra.plan.site_drain import site_drain, site_drain_plan, site_drain_warnings
from infra.plan.start_types import StartingPlace
from infra.plan.types import Accelerator, SitePlan
from infra.platforms.aws.addon_checks import addon_problems
from infra.platforms.aws.alarms import alarms
from infra.platforms.aws.audit_plan import audit_bucket_plan, with_audit_bucket
from infra.platforms.aws.budget_plan import budget_plan
from infra.platforms.aws.cluster_plan import NODE_DISK_GIBIBYTES, cluster_plan
from infra.platforms.aws.config import AwsSettings, ManagedNodes
from infra.platforms.aws.controllers_plan import controllers, controllers_problems, wants_charts
from infra.platforms.aws.first_up import first_up_steps
from infra.platforms.aws.front_door_plan import SETTLE_SECONDS, front_door_plan
from infra.platforms.aws.gateway_secrets import gateway_secrets_problems, secrets_source
from infra.platforms.aws.gpu_sharing import machine_of, shapes, shared_by
from infra.platforms.aws.identity_plan import workload_roles
from infra.platforms.aws.limits_plan import limits_plan
from infra.platforms.aws.link_plan import link_problems, peering_plan, vpn_plan, way
from infra.platforms.aws.machines import PROVISION, machine_warnings, nodes_plan, talking
from infra.platforms.aws.managed_nodes import managed_problems, managed_warnings
from infra.platforms.aws.names import RoleBounds, cluster_name, name_prefix, name_problems, repositories
from infra.platforms.aws.network import NAT_OF_ONE_ZONE, network_plan, network_problems, network_ranges
from infra.platforms.aws.prometheus_plan import prometheus_plan, prometheus_problems
from infra.platforms.aws.quotas import quota_needs
from infra.platforms.aws.secrets_plan import secrets_problems
from infra.platforms.aws.security_text import security, shield_warnings
from infra.platforms.aws.services import services
from infra.platforms.aws.shapes import SHAPES
from infra.platforms.aws.site_plan import AwsSitePlan, summary
from infra.platforms.aws.uses import own_uses
from infra.platforms.aws.weights_plan import in_cluster, keeps_weights, stored_gb, weights_text, weights_warnings
from infra.platforms.base import Abilities, OtherPurchase, Range, SiteRequest
from infra.platforms.clusters import (
    endpoint_problems,
    inside_problems,
    inside_warnings,
    purchases,
    zone_problems,
)
from infra.price.bill import Use
from infra.problems import Problem
from infra.sizing.types import GIB

GIVES_UP = {"spot": "a machine may be taken away with 120 s notice, and its price moves"}
MOST_GPUS = most_gpus(SHAPES)


class Aws:
    """Implements the platform `aws`."""

    settings = AwsSettings
    is_this_machine = False
    extras = ("aws",)
    component = "infra.platforms.aws.component:AwsSite"
    doctor = "infra.platforms.aws.doctor:DOCTOR"
    run_time = "infra.platforms.kubernetes.run_time:RUN_TIME"
    engine_address = IN_A_CONTAINER

    def abilities(self, settings: AwsSettings) -> Abilities:
        return Abilities(
            zones=len(set(settings.zones)),
            scales_to_zero=settings.keda,
            cloud="aws",
            region=settings.region,
            gpus=MOST_GPUS,
            counts_together=True,
            single_points=(NAT_OF_ONE_ZONE,) if settings.nat == "single" else (),
            several_nodes=True,
            reads_buckets=True,
            keeps_weights=keeps_weights(settings),
            shared_by=shared_by(settings),
            runs_jobs=True,
            endpoint=f"https://{settings.domain}",
            way=way(settings),
            tls_ends_at="the load balancer (ALB)",
            asks_certificate=settings.client_authority is not None,
            services=services(settings),
            audit_days=settings.audit_bucket.days if settings.audit_bucket else None,
        )

    def ranges(self, request: SiteRequest) -> Iterator[Range]:
        nodes = sum(pool.max_nodes for pool in _pools(request).values())
        return network_ranges(request.settings, nodes, len(request.models))

    def starting_place(self, settings: AwsSettings, accelerator: Accelerator | None) -> StartingPlace:
        machine, share = machine_of(settings, accelerator)
        return StartingPlace(
            name="AWS",
            provision=PROVISION,
            network_gbps=network_gbps("aws", machine),
            keeps_weights=keeps_weights(settings),
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
        yield from name_problems(request)
        yield from zone_problems(
            where, settings.zones, settings.region, example, lambda zone: zone.startswith(settings.region)
        )
        yield from network_problems(where, settings)
        yield from link_problems(where, request)
        yield from endpoint_problems(f"{where}.api_endpoint", settings.api_endpoint)
        yield from shape_problems(request, SHAPES, "AWS")
        yield from purchase_problems(
            f"{where}.nodes", settings.nodes.purchase, f"{where}.reservation_id", settings.reservation_id
        )
        yield from managed_problems(where, request)
        yield from controllers_problems(where, settings)
        yield from addon_problems(where, settings)
        yield from drain_problems(_drain(request))
        yield from secrets_problems(f"{where}.client_keys_from", settings.client_keys_from.source)
        yield from gateway_secrets_problems(
            f"{where}.gateway_secrets_from",
            settings.gateway_secrets_from,
            settings.region,
            gateway_secret_names(request.gateway),
        )
        yield from prometheus_problems(where, settings)
        yield from one_pod_problems(request)
        yield from inside_problems(request, in_cluster(settings))

    def warnings(self, request: SiteRequest) -> Iterator[str]:
        settings: AwsSettings = request.settings
        site = f"site `{request.site}`"
        if settings.waf is None:
            yield f"{site}: no web application firewall is in front (`waf: null`)"
        if not settings.deletion_protection:
            yield f"{site}: one wrong command deletes it (`deletion_protection: false`)"
        if settings.nat == "single" and settings.network.cidr:
            yield f"{site}: when the zone `{settings.zones[0]}` is gone, no node reaches the internet (`nat: single`)"
        yield from shield_warnings(site, settings)
        yield from weights_warnings(request)
        yield from site_drain_warnings(request, _drain(request))
        yield from one_pod_warnings(request)
        yield from managed_warnings(request)
        yield from inside_warnings(request, in_cluster(settings), charts=bool(wants_charts(settings)))
        yield from machine_warnings(request, _pools(request))

    def plan(self, request: SiteRequest) -> SitePlan:
        settings: AwsSettings = request.settings
        audit_bucket = audit_bucket_plan(settings, request.gateway)
        request = with_audit_bucket(request, audit_bucket)
        name = cluster_name(request.stack, request.site)
        zones = tuple(settings.zones)
        keys, facts = settings.client_keys_from.source, in_cluster(settings)
        serving = serving_plan(request, "slipway", _drain(request), zones, keys, facts)
        pools = _pools(request)
        serving = replace(
            serving,
            engines=talking(settings, engines_on(serving.engines, pools, "aws"), pools),
            # Auto Mode holds no pod back until the load balancer has it: a rollout waits for as long as that takes.
            gateway_pods=replace(
                serving.gateway_pods,
                settle_seconds=SETTLE_SECONDS,
                secrets=secrets_source(settings.gateway_secrets_from, settings.region),
            ),
        )
        network = network_plan(settings)
        cluster = cluster_plan(name, settings, network, serving)
        machines = nodes_plan(
            settings,
            pools,
            replica_nodes={name: _replica_nodes(request, pool) for name, pool in pools.items()},
            disk_gibibytes=cluster.root_volume_gibibytes or NODE_DISK_GIBIBYTES,
            grace_seconds=serving.drain.node_grace_seconds,
        )
        door = front_door_plan(request, settings, network, serving.drain, auto_mode=cluster.auto_mode)
        limits = limits_plan(settings, network, serving)
        details = AwsSitePlan(
            region=settings.region,
            zones=zones,
            roles=RoleBounds(
                name_prefix=name_prefix(request.stack, request.site), boundary_arn=settings.permissions_boundary
            ),
            network=network,
            cluster=cluster,
            pools=pools,
            machines=machines,
            controllers=controllers(cluster.name, settings, machines, serving),
            identities=workload_roles(serving, request.models, settings, audit_bucket),
            repositories=repositories(name),
            front_door=door,
            vpn=vpn_plan(settings),
            peering=peering_plan(settings),
            limits=limits,
            audit_bucket=audit_bucket,
            weights=weights_text(request),
            budget=budget_plan(request, settings.alarm_topics),
            serving=serving,
            alarms=alarms(network),
            alarm_topics=tuple(settings.alarm_topics),
            prometheus=prometheus_plan(request, settings, network, serving),
            deletion_protection=settings.deletion_protection,
            tags={"slipway:stack": request.stack, "slipway:site": request.site, **settings.tags},
            quotas=quota_needs(machines, network, door),
            first_up=first_up_steps(request, network, cluster, door, limits),
        )
        return SitePlan(
            platform="aws",
            endpoint=f"https://{settings.domain}",
            models=tuple(request.models),
            replicas=request.replicas,
            gateways=request.gateways,
            node_pools=tuple(details.pools.values()),
            drain=site_drain_plan(serving.drain),
            summary=summary(details),
            security=security(settings, details),
            details=details,
        )

    def other_purchases(self, settings: AwsSettings) -> Iterator[OtherPurchase]:
        for written, nodes, lost in purchases(settings.nodes, GIVES_UP):
            # Without `reservation` in it nothing may name one.
            if isinstance(nodes, ManagedNodes):
                nodes = nodes.model_copy(update={"reservation_zone": None, "capacity_block": False})
            other = settings.model_copy(update={"nodes": nodes, "reservation_id": None})
            yield OtherPurchase(written=written, settings=other, gives_up=(lost,))

    def uses(self, request: SiteRequest, plan: SitePlan) -> Iterator[Use]:
        details: AwsSitePlan = plan.details
        yield from site_uses(
            request,
            details.pools,
            cloud="aws",
            region=details.region,
            nat_gateways={"none": 0, "single": 1}.get(details.network.nat, len(details.zones)),
            disk_gb=details.machines.disk_gibibytes * GIB / 1e9,
            auto_mode=details.cluster.auto_mode,
            stored_gb=stored_gb(request.models, request.settings),
        )
        yield from own_uses(
            details.region,
            len(details.zones),
            details.network,
            details.cluster,
            details.front_door,
            details.limits,
            details.vpn,
            len(details.alarms),
            audit_bucket=details.audit_bucket is not None,
            metrics=details.prometheus,
        )


def _pools(request: SiteRequest) -> dict[str, NodePool]:
    settings: AwsSettings = request.settings
    return node_pools(
        request,
        shapes=shapes(settings),
        shared_by=shared_by(settings),
        zones=tuple(settings.zones),
        purchase=tuple(settings.nodes.purchase),
        gateway_shape=settings.gateway_instance_type,
        processor_shape=settings.processor_instance_type,
    )


def _replica_nodes(request: SiteRequest, pool: NodePool) -> int:
    """Of the largest replica that runs on it."""
    return max((request.models[name].nodes for name in pool.models), default=1)


def _drain(request: SiteRequest) -> DrainRequest:
    settings: AwsSettings = request.settings
    return site_drain(request, APPLICATION_LOAD_BALANCER, _ended_by(settings), spot="spot" in settings.nodes.purchase)


def _ended_by(settings: AwsSettings) -> Nodes:
    return EKS_MANAGED_NODES if isinstance(settings.nodes, ManagedNodes) else EKS_AUTO_MODE_NODES


PLATFORM = Aws()
