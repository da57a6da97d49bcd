"""How replicas share GPUs of node pools: in turn, or by parts that GKE divides them into when a machine starts."""

from __future__ import annotations

from infra.plan.node_pools import Shapes, machine_for
from infra.plan.types import Accelerator
from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.shapes import PRICED_AS, SHAPES
from infra.platforms.gpu_shares import MIG_PARTS, SharingMachines

# Those of NVIDIA's guide for other cards, and for this one by GKE's own ComputeClass (its CRD, read 2026-11).
PARTS = {**MIG_PARTS, "RTX-PRO-6000": {"1g.24gb": 4, "2g.48gb": 2}}
MACHINES = SharingMachines(cloud="gcp", shapes=SHAPES, parts=PARTS, ways="`time_slices`, or `mig`", listed=PRICED_AS)


def shapes(settings: GcpSettings) -> Shapes:
    """The machines; where GPUs are shared, those that have memory for all pods that share them."""
    return MACHINES.roomy(settings.nodes.sharing)


def shared_by(settings: GcpSettings) -> dict[str, int]:
    """How many replicas share a GPU, by accelerator."""
    return MACHINES.shared_by(settings.nodes.sharing)


def machine_of(settings: GcpSettings, accelerator: Accelerator | None) -> tuple[str, float]:
    """The machine that one replica runs on, and the part of it that is its own."""
    return machine_for(accelerator, shapes(settings), settings.processor_machine_type, shared_by(settings))
