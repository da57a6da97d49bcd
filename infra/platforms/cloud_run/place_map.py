"""What a site on Cloud Run makes there, as its picture shows it: the front, instances, what is beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.plan.place_map import Layer, Part
from infra.platforms.cloud_run.containers import ContainerPlan


def own_address(service: str) -> Part:
    """Where requests come in without a load balancer."""
    return Part(title="Cloud Run's own address", detail=f"of the service {service}", kind="door")


def name(host: str, zone: str) -> Part:
    """Where requests come in by a name."""
    return Part(title=host, detail=f"Cloud DNS leads here, by its zone {zone}", kind="door")


def front(*, armor: bool) -> Layer:
    """What is in front of instances."""
    balancer = Part(title="load balancer", detail=f"TLS{', Cloud Armor' if armor else ''}", kind="door")
    return Layer(name="front", cells=(), over=(balancer,))


def instances(service: Part, containers: Sequence[ContainerPlan]) -> Layer:
    """The service and what each of its instances is."""
    return Layer(name="instances", cells=(), over=(service, *map(_container, containers)))


def way_out(cidr: str, ports: Sequence[int]) -> Layer:
    """By what instances reach others."""
    detail = f"{cidr}, Cloud NAT, ports: {', '.join(map(str, ports)) or 'any'}"
    return Layer(name="egress", cells=(), over=(Part(title="way out", detail=detail),))


def beside(host: str | None, *, fetches: bool, audit_days: int | None) -> Iterator[Part]:
    """Of the project, outside of that."""
    if host:
        yield Part(title="certificate", detail=f"for {host}")
    if fetches:
        yield Part(title="bucket of weights", detail="filled once by a job, mounted read-only")
    if audit_days is not None:
        yield Part(title="bucket of the audit", detail=f"each object kept for {audit_days} days")
    yield Part(title="secrets", detail="the containers' files, in Secret Manager")
    yield Part(title="key", detail="of secrets, buckets and instances")


def _container(one: ContainerPlan) -> Part:
    """Requests come in at the gateway alone."""
    card = f", {one.card}" if one.card else ""
    return Part(
        title=f"container {one.name}",
        detail=f"{one.processors} vCPU, {one.memory_gibibytes} GiB{card}, in each instance",
        kind="model" if one.port is None else "gateway",
    )
