"""The plan of a site on Cloud Run: one service, whose instances are a gateway and the engine that it is in front of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.drain_ladder import drain_problems
from infra.plan.pod_files import file_problems
from infra.plan.serving import IN_A_CONTAINER
from infra.plan.site_drain import site_drain_plan, site_drain_warnings
from infra.plan.start_types import Seen, StartingPlace
from infra.plan.types import Accelerator, SitePlan
from infra.platforms.base import Abilities, OtherPurchase, Range, Room, SiteRequest
from infra.platforms.cloud_run.config import CloudRunSettings
from infra.platforms.cloud_run.engine_container import (
    ENGINE_OPTIONS_FOLDER,
    engine_problems,
)
from infra.platforms.cloud_run.front_door_plan import name_problems
from infra.platforms.cloud_run.instances import (
    CARDS,
    GATEWAY_MEMORY_GIBIBYTES,
    GATEWAY_PROCESSORS,
    LONGEST_START_SECONDS,
    MOST_CONCURRENT,
    PLAIN_MEMORY_GIBIBYTES,
    PLAIN_PROCESSORS,
    card_problems,
    items,
)
from infra.platforms.cloud_run.secret_checks import file_size_problems, lost_content_problems
from infra.platforms.cloud_run.site_details import drain_request, site_details, site_summary
from infra.platforms.cloud_run.site_plan import CloudRunSitePlan
from infra.platforms.cloud_run.uses import around_uses, instance_uses
from infra.platforms.clusters import deletion, firewall
from infra.platforms.gcp.names import name_problems as site_name_problems
from infra.price.bill import Use
from infra.problems import Problem

# As types of their resources begin.
SERVICES_USED = (
    "gcp:certificatemanager",
    "gcp:cloudrunv2",
    "gcp:compute",
    "gcp:dns",
    "gcp:kms",
    "gcp:projects",
    "gcp:secretmanager",
    "gcp:serviceaccount",
    "gcp:storage",
)
PROVISION = Seen(
    low=5,
    high=10,
    source="Google Cloud documentation: an instance with its driver starts in about 5 s",
    as_of="2026-11",
)
# What a range must hold: an instance takes two addresses, and two more while a new version replaces it.
LARGEST_BITS, SMALLEST_BITS = 12, 26


class CloudRun:
    """Implements the platform `cloud_run`."""

    settings = CloudRunSettings
    is_this_machine = False
    extras = ("gcp",)
    component = "infra.platforms.cloud_run.component:CloudRunSite"
    run_time = None
    doctor = "infra.platforms.cloud_run.doctor:DOCTOR"
    # The key as an engine reads it has a folder of its own: a volume here has one file.
    engine_address = replace(IN_A_CONTAINER, key_file=f"{ENGINE_OPTIONS_FOLDER}/key")

    def abilities(self, settings: CloudRunSettings) -> Abilities:
        return Abilities(
            zones=2 if settings.zonal_redundancy else 1,
            scales_to_zero=True,
            cloud="gcp",
            region=settings.region,
            gpus={name: 1 for name, card in CARDS.items() if settings.region in card.regions},
            endpoint=f"https://{settings.domain}" if settings.domain else None,
            tls_ends_at="Cloud Run's load balancer" if settings.domain else "Cloud Run",
            services=SERVICES_USED,
            audit_days=settings.audit_bucket.days if settings.audit_bucket else None,
        )

    def ranges(self, request: SiteRequest) -> Iterator[Range]:
        settings: CloudRunSettings = request.settings
        why = f"each of {settings.max_instances} instances takes up to four addresses"
        fewest = 32 - (4 * settings.max_instances + 4).bit_length()
        room = Room(largest=LARGEST_BITS, smallest=min(SMALLEST_BITS, fewest), why=why)
        yield Range(field="egress_cidr", cidr=settings.egress_cidr, room=room)

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
                GATEWAY_PROCESSORS + (card.processors if card else PLAIN_PROCESSORS),
                GATEWAY_MEMORY_GIBIBYTES + (card.memory_gibibytes if card else PLAIN_MEMORY_GIBIBYTES),
                accelerator,
                redundant=settings.zonal_redundancy,
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
        yield from site_name_problems(request, cluster=False)
        yield from engine_problems(request)
        yield from name_problems(where, settings)
        yield from file_problems(request)
        yield from file_size_problems(request)
        yield from lost_content_problems(request)
        needed = request.drain.gateway_grace_seconds
        if needed > settings.request_timeout_seconds:
            yield Problem(
                where=f"{where}.request_timeout_seconds",
                found=f"{settings.request_timeout_seconds}, where a request may wait and be answered for {needed} s",
                allowed=f"{needed} to 3600",
                remedy="raise it, or lower `longest_generation_seconds` or how long requests wait",
            )
        yield from drain_problems(drain_request(request))
        audit = request.gateway.get("audit")
        if audit is not None and "object_store" not in audit and settings.audit_bucket is None:
            yield Problem(
                where=f"{DEPLOYMENT_KEY}.gateway.audit.object_store",
                found=f"nothing, and the site `{request.site}` has no disk that outlives an instance",
                allowed="an object store that audit files are copied to, the site's own `audit_bucket`, or no audit "
                "(`gateway.audit: null`)",
                remedy="add `object_store`, or take `audit_bucket: null` out",
            )

    def warnings(self, request: SiteRequest) -> Iterator[str]:
        settings: CloudRunSettings = request.settings
        site = f"site `{request.site}`"
        if settings.domain is None:
            yield f"{site}: nothing is in front of Cloud Run's own address: no firewall for the web, no name of yours"
        elif settings.armor is None:
            yield f"{site}: no firewall for the web is in front (`armor: null`)"
        if not settings.binary_authorization:
            yield f"{site}: it runs any image (`binary_authorization: false`)"
        if not settings.deletion_protection:
            yield f"{site}: one wrong command deletes it (`deletion_protection: false`)"
        most = max((request.replicas[name].max for name in request.models), default=settings.max_instances)
        if most > 1 and "limits_store" not in request.gateway:
            yield f"{site}: each of up to {most} instances counts clients' limits for itself (`gateway.limits_store`)"
        if any(not request.replicas[name].min for name in request.models):
            yield (
                f"{site}: a request that starts an instance waits in Cloud Run itself, which keeps it for 3.5 times as "
                "long as starts usually take, or 10 s (recalled, not read again); `hold` counts from when a gateway is "
                "there. A minimum of one instance (`scaling.min_replicas: 1`) ends the wait"
            )
        yield from site_drain_warnings(request, drain_request(request))

    def plan(self, request: SiteRequest) -> SitePlan:
        settings: CloudRunSettings = request.settings
        details = site_details(request)
        service, door = details.service, details.front_door
        # A part of its own address is Google's to choose.
        own = "known when it is deployed"
        return SitePlan(
            platform="cloud_run",
            endpoint=own if door is None else f"https://{door.host}",
            models=tuple(request.models),
            replicas=request.replicas,
            gateways=service.min_instances,
            drain=site_drain_plan(details.drain),
            summary=site_summary(details),
            security={
                "engine": "reached from inside its own instance only",
                "in transit": "gateway to engine inside one instance",
                "front door": f"over TLS, {'load balancer or from inside' if door else 'own address'}",
                "callers": f"those whom IAM lets call it ({len(service.invokers)}), with their key"
                if service.invokers
                else "whoever shows a key",
                "firewall for the web": firewall(door.requests_per_minute if door else None, "a minute"),
                "leaves by": f"a network of its own, {details.egress_cidr}, to ports "
                f"{', '.join(map(str, details.egress_ports)) or 'of any number'}",
                "secrets": "files of Secret Manager, with a key of the site's; none is in the environment",
                "images": "those of Binary Authorization" if service.binary_authorization else "any image runs",
                "deletion": deletion(protected=settings.deletion_protection),
            },
            details=details,
        )

    def other_purchases(self, settings: CloudRunSettings) -> Iterator[OtherPurchase]:
        del settings
        return iter(())

    def uses(self, request: SiteRequest, plan: SitePlan) -> Iterator[Use]:
        details: CloudRunSitePlan = plan.details
        accelerator = next((model.accelerator for model in request.models.values()), None)
        yield from instance_uses(details.service, accelerator, details.region, tuple(request.models))
        yield from around_uses(details.front_door, details.region)


PLATFORM = CloudRun()
