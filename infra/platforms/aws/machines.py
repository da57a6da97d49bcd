"""Machines of a site on AWS as EKS is asked for them: a pool for each way to buy, and what else would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from infra.catalog.instances import instances
from infra.plan.node_pools import NodePool
from infra.plan.nodes import NodeChoice
from infra.plan.pool_nodes import GPU_RESOURCE, POOL_LABEL, SURGE_NODES, taint
from infra.plan.serving import EnginePlan
from infra.plan.start_types import Seen
from infra.platforms.aws.config import AwsSettings, ManagedNodes
from infra.platforms.aws.fabric import ENVIRONMENT, efa_devices, of_each_pod
from infra.platforms.aws.gpu_sharing import SharedGpus, shared_gpus
from infra.platforms.base import SiteRequest

# As Karpenter, which Auto Mode is, calls the ways to buy.
CAPACITY: Mapping[str, str] = {"reservation": "reserved", "on_demand": "on-demand", "spot": "spot"}
IMAGES: Mapping[str, tuple[str, str]] = {
    "bottlerocket": ("BOTTLEROCKET_x86_64", "BOTTLEROCKET_x86_64_NVIDIA"),
    "amazon_linux_2023": ("AL2023_x86_64_STANDARD", "AL2023_x86_64_NVIDIA"),
}
# Until a machine is there that nobody had before.
PROVISION = Seen(
    low=60,
    high=300,
    source="public report of a Karpenter node with its pod: about 5 minutes; the fast end is assumed",
    as_of="2025-05",
)
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
# By its value, the device plugin of Amazon Linux chooses one of its settings (NVIDIA/k8s-device-plugin, README, read
# 2026-11).
PLUGIN_LABEL = "nvidia.com/device-plugin.config"


@dataclass(frozen=True, kw_only=True)
class MachinePool:
    """Machines of one pool that are bought in one way. `pool` is the node pool's name, which nodes have as a label;
    `instance_types` begins with the planned one. `limits` are what all its machines may have together; `image` is the
    kind of the machines' system, None where EKS chooses it. `at_rest` are how many each zone has at least. With
    `devices` of EFA, machines of a zone are near one another, and reach each other's devices; `told` is what nobody
    knows of a machine that is not there: of these, and of GPUs that are shared as `sharing` says."""

    name: str
    pool: str
    purchase: str
    capacity: str
    instance_types: tuple[str, ...]
    zones: tuple[str, ...]
    weight: int
    taint: str | None
    gpus: int
    at_rest: Mapping[str, int]
    max_nodes: int
    limits: Mapping[str, str]
    image: str | None
    labels: Mapping[str, str]
    devices: int
    told: Mapping[str, str]
    capacity_block: bool
    sharing: SharedGpus | None = None


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
    settings: AwsSettings,
    pools: Mapping[str, NodePool],
    *,
    replica_nodes: Mapping[str, int],
    disk_gibibytes: int,
    grace_seconds: int,
) -> NodesPlan:
    """`grace_seconds` is how long the slowest pod may take to end, `replica_nodes` how many nodes the largest replica
    of a pool has. Machines with GPUs have disks of their own, on which images and weights are, so that the root volume
    is as fast as its price includes."""
    made = [pool for planned in pools.values() for pool in _by_purchase(settings, planned, replica_nodes[planned.name])]
    return NodesPlan(
        pools={pool.name: pool for pool in made},
        choices={name: _choice(pool, _devices(settings, pool, replica_nodes[name])) for name, pool in pools.items()},
        reservation_id=settings.reservation_id,
        disk_gibibytes=disk_gibibytes,
        disk_throughput_mebibytes=125,
        disk_operations=3000,
        expire_hours=EXPIRE_HOURS,
        empty_seconds=EMPTY_SECONDS,
        grace_seconds=grace_seconds + PATIENCE_SECONDS,
    )


def _by_purchase(settings: AwsSettings, pool: NodePool, replica_nodes: int) -> Iterator[MachinePool]:
    managed = settings.nodes if isinstance(settings.nodes, ManagedNodes) else None
    devices = _devices(settings, pool, replica_nodes)
    sharing = shared_gpus(settings, pool.accelerator.type) if pool.accelerator else None
    for place, purchase in enumerate(pool.purchase):
        reserved = purchase == "reservation"
        # A reservation is of one type.
        others = () if reserved else also_fitting(pool, settings.region)
        # A group is in one zone, and so is a reservation; Auto Mode finds it by itself.
        zones = (managed.reservation_zone,) if reserved and managed and managed.reservation_zone else pool.zones
        gpus = _gpus(pool.shape)
        # Only the first way to buy has machines at rest; the others are there when it has none.
        least = pool.min_nodes if place == 0 else 0
        yield MachinePool(
            name=f"{pool.name}-{purchase.replace('_', '-')}",
            pool=pool.name,
            purchase=purchase,
            capacity=CAPACITY[purchase],
            # A launch template attaches as many devices as it says, whatever the type.
            instance_types=(
                pool.shape,
                *(other for other in others if not devices or efa_devices(other) == devices),
            ),
            zones=zones,
            weight=FIRST_WEIGHT - place * WEIGHT_STEP,
            taint=taint(pool),
            gpus=gpus,
            at_rest=at_rest(least, zones, replica_nodes),
            max_nodes=pool.max_nodes + SURGE_NODES * replica_nodes,
            limits=_limits(pool, gpus, replica_nodes),
            image=_image(settings, gpus),
            labels={POOL_LABEL: pool.name, **_gpu_labels(pool), **_plugin_label(sharing)},
            devices=devices,
            told={
                **{name: str(amount) for name, amount in of_each_pod(devices, gpus, gpus).items()},
                **({GPU_RESOURCE: str(gpus * sharing.replicas)} if sharing else {}),
            },
            capacity_block=reserved and managed is not None and managed.capacity_block,
            sharing=sharing,
        )


def at_rest(nodes: int, zones: tuple[str, ...], together: int) -> dict[str, int]:
    """How many nodes each zone has: as evenly as it goes, in the zones' order, and those of one replica in one zone."""
    found = dict.fromkeys(zones, 0)
    for turn in range(-(-nodes // together)):
        found[zones[turn % len(zones)]] += min(together, nodes - turn * together)
    return found


def _devices(settings: AwsSettings, pool: NodePool, replica_nodes: int) -> int:
    """Where replicas have one node, nobody talks by them."""
    fast = replica_nodes > 1 and isinstance(settings.nodes, ManagedNodes)
    return efa_devices(pool.shape) if fast else 0


def _gpu_labels(pool: NodePool) -> dict[str, str]:
    """By the first one, the device plugin knows its nodes; by the second, the autoscaler knows that GPUs are still to
    come where a new node offers none yet."""
    if pool.accelerator is None:
        return {}
    return {
        "nvidia.com/gpu.present": "true",
        "k8s.amazonaws.com/accelerator": f"nvidia-{pool.accelerator.type.lower()}",
    }


def _plugin_label(sharing: SharedGpus | None) -> dict[str, str]:
    """Which of the device plugin's settings is a machine's; Bottlerocket's own one is told by the machine."""
    return {PLUGIN_LABEL: f"time-slices-{sharing.replicas}"} if sharing and sharing.profile is None else {}


def talking(
    settings: AwsSettings, engines: Mapping[str, EnginePlan], pools: Mapping[str, NodePool]
) -> dict[str, EnginePlan]:
    """Engines of several nodes are told by which network they talk."""
    return {name: _talking(settings, engine, pools) for name, engine in engines.items()}


def _talking(settings: AwsSettings, engine: EnginePlan, pools: Mapping[str, NodePool]) -> EnginePlan:
    if engine.groups is None or not _devices(settings, pools[engine.pool], engine.groups.size):
        return engine
    environment = {**engine.container.environment, **ENVIRONMENT}
    return replace(engine, container=replace(engine.container, environment=environment))


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


def machine_warnings(request: SiteRequest, pools: Mapping[str, NodePool]) -> Iterator[str]:
    """Machines with GPUs of which nobody here knows that the region has them: not all regions have all."""
    region: str = request.settings.region
    known = {row.instance_type for row in instances() if (row.cloud, row.region) == ("aws", region)}
    for pool in pools.values():
        if pool.accelerator is not None and pool.shape not in known:
            yield (
                f"site `{request.site}`: whether `{region}` has `{pool.shape}` is in no list here; `make doctor` asks "
                "AWS"
            )


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


def _limits(pool: NodePool, gpus: int, replica_nodes: int) -> dict[str, str]:
    """So that a mistake inside the cluster cannot buy more than was planned."""
    nodes = pool.max_nodes + SURGE_NODES * replica_nodes
    if gpus:
        return {GPU_RESOURCE: str(nodes * gpus)}
    processors = processors_of(pool.shape)
    return {"cpu": str(nodes * processors)} if processors else {}


def _choice(pool: NodePool, devices: int) -> NodeChoice:
    accelerator = pool.accelerator
    gpus = accelerator.count if accelerator else 0
    return NodeChoice(
        labels={POOL_LABEL: pool.name},
        resources={GPU_RESOURCE: gpus, **of_each_pod(devices, gpus, _gpus(pool.shape))} if accelerator else {},
        tolerates=taint(pool),
    )
