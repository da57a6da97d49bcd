"""The plan of a site on Cloud Run: one service for the gateway, and one with a GPU for each model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY, normalised
from infra.plan.drain_caps import CLOUD_RUN_FRONT, CLOUD_RUN_INSTANCES
from infra.plan.drain_ladder import DrainLadder, DrainRequest, drain_ladder, drain_problems
from infra.plan.serving import IN_A_SERVICE
from infra.plan.site_drain import drain_text, site_drain, site_drain_plan, site_drain_warnings
from infra.plan.start_types import Seen, StartingPlace
from infra.plan.types import Accelerator, ContainerSpec, ModelPlan, SitePlan, Weights
from infra.platforms.base import Abilities, OtherPurchase, Range, SiteRequest
from infra.platforms.cloud_run.config import CloudRunSettings
from infra.platforms.cloud_run.instances import CARDS, PLAIN_MEMORY_GIBIBYTES, PLAIN_PROCESSORS, card_problems, items
from infra.price.bill import Use
from infra.problems import Problem

GATEWAY_PROCESSORS, GATEWAY_MEMORY_GIBIBYTES = 1, 1
# Cloud Run kills an instance that has not started by then.
LONGEST_START_SECONDS = 240
PROVISION = Seen(
    low=5,
    high=10,
    source="Google Cloud documentation: an instance with its driver starts in about 5 s",
    as_of="2026-11",
)
# What one instance may answer at the same time.
MOST_CONCURRENT = 1000


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service. `card` is None without a GPU; `concurrent_requests` is what one instance answers at once. Weights
    and container are None for the gateway."""

    name: str
    card: str | None
    processors: int
    memory_gibibytes: int
    min_instances: int
    max_instances: int
    concurrent_requests: int
    timeout_seconds: int
    start_seconds: int
    weights: Weights | None
    container: ContainerSpec | None


@dataclass(frozen=True, kw_only=True)
class CloudRunSitePlan:
    """All of a site on Cloud Run. Only the gateway may call the services of models; `ingress` says who reaches the
    gateway's."""

    project: str
    region: str
    domain: str | None
    ingress: str
    zonal_redundancy: bool
    gateway: Service
    gateway_config: Mapping[str, Any]
    engines: Mapping[str, Service]
    drain: DrainLadder


class CloudRun:
    """Implements the platform `cloud_run`."""

    settings = CloudRunSettings
    is_this_machine = False
    extras = ("gcp",)
    component = None
    doctor = None
    engine_address = IN_A_SERVICE

    def abilities(self, settings: CloudRunSettings) -> Abilities:
        return Abilities(
            zones=2 if settings.zonal_redundancy else 1,
            scales_to_zero=True,
            cloud="gcp",
            region=settings.region,
            gpus={name: 1 for name, card in CARDS.items() if settings.region in card.regions},
        )

    def ranges(self, request: SiteRequest) -> Iterator[Range]:
        del request
        return iter(())

    def starting_place(self, settings: CloudRunSettings, accelerator: Accelerator | None) -> StartingPlace:
        card = CARDS.get(accelerator.type) if accelerator else None
        return StartingPlace(
            name="Cloud Run",
            provision=PROVISION,
            # Always, and nothing to set.
            streams_images=True,
            can_keep_spares=True,
            longest_start_seconds=LONGEST_START_SECONDS,
            cloud="gcp",
            region=settings.region,
            spare_items=items(
                card.processors if card else PLAIN_PROCESSORS,
                card.memory_gibibytes if card else PLAIN_MEMORY_GIBIBYTES,
                accelerator,
                settings.zonal_redundancy,
            ),
        )

    def problems(self, request: SiteRequest) -> Iterator[Problem]:
        settings: CloudRunSettings = request.settings
        where = f"{request.where}.platform"
        for name, model in request.models.items():
            at = dotted(DEPLOYMENT_KEY, ("models", name))
            yield from card_problems(f"{at}.accelerator", where, request, model)
            if request.replicas[name].max > settings.max_instances:
                yield Problem(
                    where=f"{at}.scaling.max_replicas",
                    found=f"{request.replicas[name].max}, on the site `{request.site}`",
                    allowed=f"up to its `max_instances`, {settings.max_instances}",
                    remedy="lower it, or raise `max_instances` as far as the project's quota goes",
                )
            if model.concurrent_requests > MOST_CONCURRENT:
                yield Problem(
                    where=f"{at}.concurrent_requests",
                    found=f"{model.concurrent_requests}, on the site `{request.site}`",
                    allowed=f"up to {MOST_CONCURRENT}, what Cloud Run gives one instance",
                    remedy="lower it",
                )
        needed = request.drain.gateway_grace_seconds
        if needed > settings.request_timeout_seconds:
            yield Problem(
                where=f"{where}.request_timeout_seconds",
                found=f"{settings.request_timeout_seconds}, where a request may wait and be answered for {needed} s",
                allowed=f"{needed} to 3600",
                remedy="raise it, or lower `longest_generation_seconds` or how long requests wait",
            )
        yield from drain_problems(_drain(request))
        audit = request.gateway.get("audit")
        if audit is not None and "object_store" not in audit:
            yield Problem(
                where=f"{DEPLOYMENT_KEY}.gateway.audit.object_store",
                found=f"nothing, and the site `{request.site}` has no disk that outlives an instance",
                allowed="an object store that audit files are copied to, or no audit (`gateway.audit: null`)",
                remedy="add `object_store`, such as a bucket of Google's at `https://storage.googleapis.com`",
            )

    def warnings(self, request: SiteRequest) -> Iterator[str]:
        yield from site_drain_warnings(request, _drain(request))

    def plan(self, request: SiteRequest) -> SitePlan:
        settings: CloudRunSettings = request.settings
        name = normalised(f"{request.stack}-{request.site}")
        engines = {model: _engine(name, model, plan, request) for model, plan in request.models.items()}
        gateway = Service(
            name=f"slipway-{name}",
            card=None,
            processors=GATEWAY_PROCESSORS,
            memory_gibibytes=GATEWAY_MEMORY_GIBIBYTES,
            min_instances=settings.gateway_min_instances,
            max_instances=max(settings.max_instances, settings.gateway_min_instances),
            concurrent_requests=MOST_CONCURRENT,
            timeout_seconds=settings.request_timeout_seconds,
            start_seconds=LONGEST_START_SECONDS,
            weights=None,
            container=None,
        )
        details = CloudRunSitePlan(
            project=settings.project,
            region=settings.region,
            domain=settings.domain,
            ingress="all" if settings.domain is None else "internal-and-cloud-load-balancing",
            zonal_redundancy=settings.zonal_redundancy,
            gateway=gateway,
            gateway_config=request.gateway,
            engines=engines,
            drain=drain_ladder(_drain(request)),
        )
        # A part of its own address is Google's to choose.
        own = "known when it is deployed"
        return SitePlan(
            platform="cloud_run",
            endpoint=own if settings.domain is None else f"https://{settings.domain}",
            models=tuple(request.models),
            replicas=request.replicas,
            gateways=gateway.min_instances,
            drain=site_drain_plan(details.drain),
            summary={
                "region": f"{settings.region}, project {settings.project}",
                "drain": drain_text(details.drain),
                **{f"service {service.name}": _text(service) for service in (gateway, *engines.values())},
            },
            security={
                "engines' services": "only the gateway may call them",
                "in transit": "gateway to engine over TLS, as Cloud Run ends it",
                "front door": f"over TLS, {'load balancer or from inside' if settings.domain else 'own address'}",
            },
            details=details,
        )

    def other_purchases(self, settings: CloudRunSettings) -> Iterator[OtherPurchase]:
        del settings
        return iter(())

    def uses(self, request: SiteRequest, plan: SitePlan) -> Iterator[Use]:
        details: CloudRunSitePlan = plan.details
        for model, service in (("", details.gateway), *details.engines.items()):
            accelerator = request.models[model].accelerator if model else None
            for item, each in items(
                service.processors, service.memory_gibibytes, accelerator, details.zonal_redundancy
            ):
                yield Use(
                    what=f"service `{service.name}`",
                    cloud="gcp",
                    region=details.region,
                    item=item,
                    minimum=service.min_instances * each,
                    maximum=service.max_instances * each,
                    models=(model,) if model else (),
                )


def _drain(request: SiteRequest) -> DrainRequest:
    return site_drain(request, CLOUD_RUN_FRONT, CLOUD_RUN_INSTANCES)


def _engine(site: str, name: str, model: ModelPlan, request: SiteRequest) -> Service:
    card = CARDS.get(model.accelerator.type) if model.accelerator else None
    return Service(
        name=f"slipway-{site}-{normalised(name)}",
        card=card.name if card else None,
        processors=card.processors if card else PLAIN_PROCESSORS,
        memory_gibibytes=card.memory_gibibytes if card else PLAIN_MEMORY_GIBIBYTES,
        min_instances=request.replicas[name].min,
        max_instances=request.replicas[name].max,
        concurrent_requests=model.concurrent_requests,
        timeout_seconds=request.settings.request_timeout_seconds,
        start_seconds=LONGEST_START_SECONDS,
        weights=model.weights,
        container=model.container,
    )


def _text(service: Service) -> str:
    card = f", one {service.card}" if service.card else ""
    return (
        f"{service.min_instances} to {service.max_instances} instances, {service.processors} vCPU, "
        f"{service.memory_gibibytes} GiB{card}"
    )


PLATFORM = CloudRun()
