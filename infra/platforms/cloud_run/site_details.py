"""All of a site on Cloud Run, put together: names, service, weights, audit, front door, and what is said of it."""

from __future__ import annotations

import hashlib

from infra.naming import normalised
from infra.plan.drain_caps import CLOUD_RUN_FRONT, CLOUD_RUN_INSTANCES
from infra.plan.drain_ladder import DrainRequest, drain_ladder
from infra.plan.flows import ANY_PORT, HTTPS_PORT, outside_ports
from infra.plan.gateway_pods import OBJECT_STORE_SEGMENT_SECONDS
from infra.plan.site_drain import drain_text, site_drain
from infra.platforms.base import SiteRequest
from infra.platforms.cloud_run.config import CloudRunSettings
from infra.platforms.cloud_run.engine_container import engine_container, fetch_plan, option_key
from infra.platforms.cloud_run.front_door_plan import front_door_plan
from infra.platforms.cloud_run.gateway_container import gateway_container, gateway_file
from infra.platforms.cloud_run.instances import LONGEST_START_SECONDS, MOST_CONCURRENT
from infra.platforms.cloud_run.quotas import quota_needs
from infra.platforms.cloud_run.site_plan import CloudRunSitePlan, ServicePlan, image_problems
from infra.platforms.cloud_run.uses import rival
from infra.platforms.gcp.audit_plan import AuditBucketPlan

# Names of accounts have at most 30 letters, and begin with it.
NAME_LETTERS, DIGEST_LETTERS = 24, 6
ONLY_BALANCER, EVERYWHERE = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", "INGRESS_TRAFFIC_ALL"


def drain_request(request: SiteRequest) -> DrainRequest:
    """What the longest answer asks of Cloud Run."""
    return site_drain(request, CLOUD_RUN_FRONT, CLOUD_RUN_INSTANCES)


def site_details(request: SiteRequest) -> CloudRunSitePlan:
    """Decides all of it."""
    settings: CloudRunSettings = request.settings
    name = _name(normalised(f"slipway-{request.stack}-{request.site}"))
    audit = request.gateway.get("audit")
    own = settings.audit_bucket if audit is not None and "object_store" not in audit else None
    kept = AuditBucketPlan(days=own.days, locked=own.locked) if own else None
    model, plan = next(iter(request.models.items()), (None, None))
    engine = engine_container(model, plan) if model and plan else None
    gateway = gateway_container(request)
    replicas = [request.replicas[name] for name in request.models]
    door = front_door_plan(settings)
    accelerator = plan.accelerator if plan else None
    service = ServicePlan(
        name=name,
        # Whoever comes after another is named after it.
        containers=(gateway, engine) if engine else (gateway,),
        card=engine.card if engine else None,
        zonal_redundancy=settings.zonal_redundancy,
        min_instances=max((one.min for one in replicas), default=0),
        max_instances=max((one.max for one in replicas), default=settings.max_instances),
        concurrent_requests=plan.concurrent_requests if plan else MOST_CONCURRENT,
        timeout_seconds=settings.request_timeout_seconds,
        ingress=EVERYWHERE if door is None else ONLY_BALANCER,
        default_address=door is None,
        invokers=tuple(settings.invokers),
        binary_authorization=settings.binary_authorization,
    )
    built = request.gateway_build is not None
    return CloudRunSitePlan(
        name=name,
        project=settings.project,
        region=settings.region,
        labels={"slipway-stack": normalised(request.stack), "slipway-site": normalised(request.site)} | settings.labels,
        egress_cidr=settings.egress_cidr,
        egress_ports=_ports_outside(request),
        service=service,
        gateway_config=gateway_file(request.gateway, request.models, kept),
        gateway_build=request.gateway_build,
        engine_options=option_key(plan.container) if plan else None,
        fetch=fetch_plan(name, model, plan) if model and plan else None,
        audit_bucket=kept,
        front_door=door,
        deletion_protection=settings.deletion_protection,
        drain=drain_ladder(drain_request(request)),
        quotas=quota_needs(service, door),
        rival=rival(service, door, accelerator, settings.region),
        image_problems=tuple(image_problems(model, engine, gateway.image, built=built)),
    )


def _name(whole: str) -> str:
    """As it is, or where that is too long, its beginning with what tells it from others that begin so."""
    if len(whole) <= NAME_LETTERS:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:DIGEST_LETTERS]
    return f"{whole[: NAME_LETTERS - DIGEST_LETTERS - 1].rstrip('-')}-{digest}"


def _ports_outside(request: SiteRequest) -> tuple[int, ...]:
    """Of everything that the gateway's file names, and Google's own. Empty is any: only a secret says where."""
    found = outside_ports(request.gateway, own_limits=False)
    return () if ANY_PORT in found else tuple(sorted({HTTPS_PORT, *(port for port in found if port)}))


def site_summary(details: CloudRunSitePlan) -> dict[str, str]:
    """For a reader of the plan."""
    service, door = details.service, details.front_door
    card = f", one {service.card}" if service.card else ""
    starts = next((one.startup for one in service.containers if one.startup), None)
    budget = starts.period_seconds * starts.failures if starts else LONGEST_START_SECONDS
    return {
        "region": f"{details.region}, project {details.project}",
        f"service {service.name}": f"{service.min_instances} to {service.max_instances} instances of a gateway and an "
        f"engine, {service.processors} vCPU, {service.memory_gibibytes} GiB{card}; {service.concurrent_requests} "
        f"requests at once in each, {budget} s to start",
        "weights": "in a bucket of the site, fetched once and checked, mounted read-only"
        if details.fetch
        else "in the engine's image, checked at each start",
        "front door": f"load balancer for {door.host}, "
        f"{'without' if door.requests_per_minute is None else 'with'} Cloud Armor"
        if door
        else "Cloud Run's own address",
        **({"audit": _audit_text(details)} if details.audit_bucket else {}),
        "drain": drain_text(details.drain),
    }


def _audit_text(details: CloudRunSitePlan) -> str:
    bucket = details.audit_bucket
    assert bucket
    seconds = details.gateway_config["audit"].get("segment_seconds") or OBJECT_STORE_SEGMENT_SECONDS
    return f"{bucket.text}; an instance that is killed takes up to {seconds:g} s of rows with it"
