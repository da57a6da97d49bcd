"""The words of a site on Cloud Run: one service with a gateway and an engine, its network, its front door, its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.drain_ladder import DrainLadder
from infra.plan.gateway_image import GatewayImagePlan
from infra.plan.missing_images import IMAGES, NAME_IT
from infra.plan.place_map import Part, PlaceMap
from infra.plan.quota_types import QuotaNeed
from infra.platforms.cloud_run.containers import ContainerPlan, FetchPlan
from infra.platforms.cloud_run.place_map import beside, front, instances, name, own_address, way_out
from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.price.crossover import Rival
from infra.problems import Problem


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """One service. `card` is None without a GPU; `concurrent_requests` is what one instance answers at once. Whoever is
    among `invokers` may call it, as IAM knows them; empty is everybody who gets past the front, for keys of ours.
    `default_address` says whether it has Cloud Run's own."""

    name: str
    containers: tuple[ContainerPlan, ...]
    card: str | None
    zonal_redundancy: bool
    min_instances: int
    max_instances: int
    concurrent_requests: int
    timeout_seconds: int
    ingress: str
    default_address: bool
    invokers: tuple[str, ...]
    binary_authorization: bool

    @property
    def processors(self) -> int:
        return sum(container.processors for container in self.containers)

    @property
    def memory_gibibytes(self) -> int:
        return sum(container.memory_gibibytes for container in self.containers)


@dataclass(frozen=True, kw_only=True)
class FrontDoorPlan:
    """The load balancer in front, and its name in a managed zone of the project. Without Cloud Armor,
    `requests_per_minute` is None; `counted_rules` are its groups of rules, which are written down, never refused."""

    host: str
    dns_zone: str
    requests_per_minute: int | None
    counted_rules: tuple[str, ...]
    tls_profile: str
    keep_alive_seconds: int


@dataclass(frozen=True, kw_only=True)
class CloudRunSitePlan:
    """All of a site on Cloud Run. Names begin with `name`. `gateway_config` is the gateway's file without what only a
    deployment knows, `fetch` what fills the bucket with weights: None where they are in the image. `front_door` is None
    where clients use Cloud Run's own address, `rival` where nothing is known to compare with."""

    name: str
    project: str
    region: str
    labels: Mapping[str, str]
    egress_cidr: str
    egress_ports: tuple[int, ...]
    service: ServicePlan
    gateway_config: Mapping[str, Any]
    gateway_build: GatewayImagePlan | None
    engine_options: str | None
    fetch: FetchPlan | None
    audit_bucket: AuditBucketPlan | None
    front_door: FrontDoorPlan | None
    deletion_protection: bool
    drain: DrainLadder
    quotas: tuple[QuotaNeed, ...]
    rival: Rival | None
    image_problems: tuple[Problem, ...]

    @property
    def missing(self) -> tuple[Problem, ...]:
        """What must be said before it can be deployed."""
        return self.image_problems

    @property
    def place_map(self) -> PlaceMap:
        """For its picture."""
        service, door = self.service, self.front_door
        every = f"{service.min_instances} to {service.max_instances} instances"
        told = Part(
            title=f"service {service.name}", detail=f"{every}, {service.concurrent_requests} requests at once in each"
        )
        behind = (instances(told, service.containers), way_out(self.egress_cidr, self.egress_ports))
        days = self.audit_bucket.days if self.audit_bucket else None
        return PlaceMap(
            region=self.region,
            network=f"Cloud Run in the project {self.project}",
            zones=(),
            names=name(door.host, door.dns_zone) if door else own_address(service.name),
            layers=(front(armor=door.requests_per_minute is not None), *behind) if door else behind,
            beside=tuple(beside(door.host if door else None, fetches=self.fetch is not None, audit_days=days)),
        )


def image_problems(
    model: str | None, engine: ContainerPlan | None, gateway: str | None, *, built: bool
) -> list[Problem]:
    """Images without a digest: a tag is whatever it names today, and policies of images know digests alone."""
    found: list[Problem] = []
    if gateway is None and not built:
        remedy = f"{NAME_IT}; or let the stack build it: `images.build: true` and a `registry`"
        found.append(_missing(f"{IMAGES}.gateway", "nothing, and no release to take it from", remedy))
    if model and engine and "@sha256:" not in (engine.image or ""):
        where = dotted(DEPLOYMENT_KEY, ("models", model, "engine", "image"))
        found.append(_missing(where, f"nothing, so that it would be `{engine.image}`, whatever that is today", NAME_IT))
    return found


def _missing(where: str, found: str, remedy: str) -> Problem:
    allowed = "an image by its digest, from a registry that Cloud Run pulls from, such as Artifact Registry"
    return Problem(where=where, found=found, allowed=allowed, remedy=remedy)
