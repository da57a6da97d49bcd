"""Machines of a site on AWS as EKS is asked for them: a pool for each way to buy, and what else would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.catalog.instances import instances
from infra.plan.node_pools import NodePool
from infra.plan.nodes import NodeChoice
from infra.plan.pool_nodes import GPU_RESOURCE, POOL_LABEL, SURGE_NODES, taint
from infra.platforms.aws.config import AwsSettings, ManagedNodes

# As Karpenter, which Auto Mode is, calls the ways to buy.
CAPACITY: Mapping[str, str] = {"reservation": "reserved", "on_demand": "on-demand", "spot": "spot"}
IMAGES: Mapping[str, tuple[str, str]] = {
    "bottlerocket": ("BOTTLEROCKET_x86_64", "BOTTLEROCKET_x86_64_NVIDIA"),
    "amazon_linux_2023": ("AL2023_x86_64_STANDARD", "AL2023_x86_64_NVIDIA"),
}
# A machine with as many of the same GPUs may cost so many times as much, when none of the planned ones is to be had.
MOST_TIMES_THE_PRICE = 2.0
# General purpose, 4 GiB for each processor; Karpenter takes the cheapest that is to be had.
GENERAL_FAMILIES = ("m6i", "m6a", "m5", "m7i")
# Weights of NodePools, from the way to buy that is tried first.
FIRST_WEIGHT, WEIGHT_STEP = 100, 10
# EKS ends a node after 21 days whatever a pool says (EKS user guide, "Create a Node Pool", read 2026-11).
EXPIRE_HOURS = 480
# An empty machine costs until it is gone; one that is wanted again within this is still there (ai-on-eks ships it).
EMPTY_SECONDS = 300
# Above what pods need to end: budgets that let one gateway go at a time are kept for so long.
PATIENCE_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class MachinePool:
    """Machines of one pool that are bought in one way. `pool` is the node pool's name, which nodes have as a label;
    `instance_types` begins with the planned one. `limits` are what all its machines may have together; `image` is the
    kind of the machines' system, None where EKS chooses it."""

    name: str
    pool: str
    purchase: str
    capacity: str
    instance_types: tuple[str, ...]
    zones: tuple[str, ...]
    weight: int
    taint: str | None
    gpus: int
    min_nodes: int
    max_nodes: int
    limits: Mapping[str, str]
    image: str | None


@dataclass(frozen=True, kw_only=True)
class NodesPlan:
    """All machines, and how each is: every disk is encrypted, and nobody but the node itself reaches its credentials.
    `choices` say what a pod asks for to run on a pool's nodes."""

    pools: Mapping[str, MachinePool]
    choices: Mapping[str, NodeChoice]
    reservation_id: str | None
    disk_gibibytes: int
    disk_throughput_mebibytes: int
    disk_operations: int
    expire_hours: int
    empty_seconds: int
    grace_seconds: int


def nodes_plan(
    settings: AwsSettings, pools: Mapping[str, NodePool], *, disk_gibibytes: int, grace_seconds: int
) -> NodesPlan:
    """`grace_seconds` is how long the slowest pod may take to end. Machines with GPUs have disks of their own, on which
    images and weights are, so that the root volume is as fast as its price includes."""
    made = [pool for planned in pools.values() for pool in _by_purchase(settings, planned)]
    return NodesPlan(
        pools={pool.name: pool for pool in made},
        choices={name: _choice(pool) for name, pool in pools.items()},
        reservation_id=settings.reservation_id,
        disk_gibibytes=disk_gibibytes,
        disk_throughput_mebibytes=125,
        disk_operations=3000,
        expire_hours=EXPIRE_HOURS,
        empty_seconds=EMPTY_SECONDS,
        grace_seconds=grace_seconds + PATIENCE_SECONDS,
    )


def _by_purchase(settings: AwsSettings, pool: NodePool) -> Iterator[MachinePool]:
    for place, purchase in enumerate(pool.purchase):
        # A reservation is of one type.
        others = () if purchase == "reservation" else also_fitting(pool, settings.region)
        gpus = _gpus(pool.shape)
        yield MachinePool(
            name=f"{pool.name}-{purchase.replace('_', '-')}",
            pool=pool.name,
            purchase=purchase,
            capacity=CAPACITY[purchase],
            instance_types=(pool.shape, *others),
            zones=pool.zones,
            weight=FIRST_WEIGHT - place * WEIGHT_STEP,
            taint=taint(pool),
            gpus=gpus,
            # Only the first way to buy has machines at rest; the others are there when it has none.
            min_nodes=pool.min_nodes if place == 0 else 0,
            max_nodes=pool.max_nodes + SURGE_NODES,
            limits=_limits(pool, gpus),
            image=_image(settings, gpus),
        )


def also_fitting(pool: NodePool, region: str) -> tuple[str, ...]:
    """Other types that do as well, cheapest first: with as many of the same GPUs, or of a like family. One type alone
    is what a zone runs out of."""
    if pool.accelerator is None:
        family, _, size = pool.shape.partition(".")
        like = GENERAL_FAMILIES if family in GENERAL_FAMILIES else (family,)
        return tuple(f"{other}.{size}" for other in like if other != family)
    rows = [row for row in instances() if row.cloud == "aws" and row.region == region and row.price_per_hour]
    planned = next((row for row in rows if row.instance_type == pool.shape), None)
    if planned is None or planned.price_per_hour is None:
        return ()
    dearest = planned.price_per_hour * MOST_TIMES_THE_PRICE
    fitting = sorted(
        (row.price_per_hour, row.instance_type)
        for row in rows
        if (row.gpu, row.gpu_count) == (planned.gpu, planned.gpu_count)
        and row.instance_type != pool.shape
        and row.price_per_hour
        and planned.price_per_hour <= row.price_per_hour <= dearest
        and not row.instance_type.endswith(".metal")
    )
    return tuple(name for _, name in fitting)


def processors_of(instance_type: str) -> int | None:
    """As its size says; None where it does not."""
    size = instance_type.partition(".")[2]
    if size in ("large", "xlarge"):
        return {"large": 2, "xlarge": 4}[size]
    times = size.removesuffix("xlarge")
    return int(times) * 4 if times.isdigit() else None


def _gpus(shape: str) -> int:
    return next((row.gpu_count for row in instances() if (row.cloud, row.instance_type) == ("aws", shape)), 0)


def _image(settings: AwsSettings, gpus: int) -> str | None:
    """As EKS calls kinds of images (API reference, Nodegroup: amiType)."""
    if not isinstance(settings.nodes, ManagedNodes):
        return None
    plain, with_driver = IMAGES[settings.nodes.image]
    return with_driver if gpus else plain


def _limits(pool: NodePool, gpus: int) -> dict[str, str]:
    """So that a mistake inside the cluster cannot buy more than was planned."""
    nodes = pool.max_nodes + SURGE_NODES
    if gpus:
        return {GPU_RESOURCE: str(nodes * gpus)}
    processors = processors_of(pool.shape)
    return {"cpu": str(nodes * processors)} if processors else {}


def _choice(pool: NodePool) -> NodeChoice:
    accelerator = pool.accelerator
    return NodeChoice(
        labels={POOL_LABEL: pool.name},
        resources={GPU_RESOURCE: accelerator.count} if accelerator else {},
        tolerates=taint(pool),
    )
