"""Machines of a site on Google Cloud as GKE is asked for them: a node pool for each way to buy, and their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.node_pools import NodePool
from infra.plan.nodes import NodeChoice
from infra.plan.pool_nodes import GATEWAY_POOL, GPU_RESOURCE, POOL_LABEL, SURGE_NODES
from infra.plan.serving import EnginePlan
from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.gpu_sharing import MACHINES, shapes
from infra.platforms.gcp.shapes import PRICED_AS
from infra.platforms.gpu_shares import GpuShares

# By which pods ask for a class, and which keeps others off its nodes (GKE documentation, "Control autoscaled node
# attributes with custom ComputeClasses", read 2026-11). The taint of GPUs is GKE's own, and so is what tolerates it.
CLASS_LABEL = "cloud.google.com/compute-class"
# As Compute Engine calls cards (GPU machine types, read 2026-11).
CARDS: Mapping[str, str] = {
    "T4": "nvidia-tesla-t4",
    "L4": "nvidia-l4",
    "RTX-PRO-6000": "nvidia-rtx-pro-6000",
    "A100-40GB": "nvidia-tesla-a100",
    "A100-80GB": "nvidia-a100-80gb",
    "H100": "nvidia-h100-80gb",
    "H200": "nvidia-h200-141gb",
    "B200": "nvidia-b200",
}
# Families of machines that have no other disks than Hyperdisk (machine resource guide, read 2026-11).
HYPERDISK_FAMILIES = ("g4", "a3-ultragpu", "a4")
# The system and its reserve, images of an engine and of those before it; a disk grows in steps.
DISK_AROUND_GIBIBYTES, DISK_STEP_GIBIBYTES, LEAST_DISK_GIBIBYTES = 75, 25, 100
# A machine comes, and its driver is installed; what is slower is not going to be there.
CREATE_MINUTES, DELETE_MINUTES = 30, 60


@dataclass(frozen=True, kw_only=True)
class MachinePool:
    """Machines of one pool that are bought in one way. `pool` is the node pool's name, which nodes have as a label;
    `compute_class` is what its pods ask for, None for gateways; `shares` is how replicas share each of its `cards`.
    `most_unavailable` is how many go at once, before others are there, when the pool is changed: None where each
    machine ends by itself."""

    name: str
    pool: str
    purchase: str
    machine_type: str
    zones: tuple[str, ...]
    compute_class: str | None
    card: str | None
    cards: int
    shares: GpuShares | None
    disk_type: str
    min_nodes: int
    max_nodes: int
    most_unavailable: int | None


@dataclass(frozen=True, kw_only=True)
class NodesPlan:
    """All machines, and how each is. `ladders` are the pools of each compute class in the order in which they are
    asked for; `choices` say what a pod asks for to run on a pool's nodes. Machines of models have the disk `image_disk`
    with container images, where there is one."""

    pools: Mapping[str, MachinePool]
    ladders: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, NodeChoice]
    reservation: str | None
    flex_start_seconds: int | None
    image_streaming: bool
    image_disk: str | None
    disk_gibibytes: int


def nodes_plan(settings: GcpSettings, pools: Mapping[str, NodePool], engines: Mapping[str, EnginePlan]) -> NodesPlan:
    """Decides them."""
    made = [pool for planned in pools.values() for pool in _by_purchase(planned, settings)]
    nodes = settings.nodes
    return NodesPlan(
        pools={pool.name: pool for pool in made},
        ladders={
            name: tuple(pool.name for pool in made if pool.pool == name) for name in pools if name != GATEWAY_POOL
        },
        choices={name: _choice(pool) for name, pool in pools.items()},
        reservation=nodes.reservation,
        flex_start_seconds=nodes.flex_start_seconds if "flex_start" in nodes.purchase else None,
        image_streaming=nodes.image_streaming,
        image_disk=nodes.image_disk,
        disk_gibibytes=_disk_gibibytes(settings, pools, engines),
    )


def _by_purchase(pool: NodePool, settings: GcpSettings) -> Iterator[MachinePool]:
    cards, accelerator = _cards(pool, settings), pool.accelerator
    for place, purchase in enumerate(pool.purchase):
        yield MachinePool(
            name=f"{pool.name}-{purchase.replace('_', '-')}",
            pool=pool.name,
            purchase=purchase,
            machine_type=pool.shape,
            zones=pool.zones,
            compute_class=None if pool.name == GATEWAY_POOL else pool.name,
            card=CARDS[accelerator.type] if accelerator else None,
            cards=cards,
            shares=MACHINES.shares(settings.nodes.sharing, accelerator.type) if accelerator else None,
            disk_type="hyperdisk-balanced" if pool.shape.startswith(HYPERDISK_FAMILIES) else "pd-balanced",
            # Only the first way to buy has machines at rest; the others are there when it has none.
            min_nodes=pool.min_nodes if place == 0 else 0,
            max_nodes=pool.max_nodes + SURGE_NODES,
            most_unavailable=_most_unavailable(purchase),
        )


def _most_unavailable(purchase: str) -> int | None:
    """A reservation has no machine more than it has; those of flex-start end by themselves and are never changed."""
    return {"flex_start": None, "reservation": 1}.get(purchase, 0)


def _cards(pool: NodePool, settings: GcpSettings) -> int:
    return next((shape.gpus for of in shapes(settings).values() for shape in of if shape.name == pool.shape), 0)


def _disk_gibibytes(settings: GcpSettings, pools: Mapping[str, NodePool], engines: Mapping[str, EnginePlan]) -> int:
    """What the fullest machine has on it."""
    needed = LEAST_DISK_GIBIBYTES
    for engine in engines.values():
        pool = pools[engine.pool]
        beside = _cards(pool, settings) * pool.shared_by // engine.accelerator.count if engine.accelerator else 1
        needed = max(needed, DISK_AROUND_GIBIBYTES + engine.pod.disk_gib * beside)
    return -(-needed // DISK_STEP_GIBIBYTES) * DISK_STEP_GIBIBYTES


def _choice(pool: NodePool) -> NodeChoice:
    if pool.name == GATEWAY_POOL:
        return NodeChoice(labels={POOL_LABEL: pool.name}, resources={}, tolerates=None)
    accelerator = pool.accelerator
    return NodeChoice(
        labels={CLASS_LABEL: pool.name},
        resources={GPU_RESOURCE: accelerator.count} if accelerator else {},
        tolerates=CLASS_LABEL,
    )


def listed(machine_type: str) -> str:
    """As price lists call it."""
    return PRICED_AS.get(machine_type, machine_type)
