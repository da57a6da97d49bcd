"""How replicas share GPUs of our own node groups: what is in turn, and what Bottlerocket divides into parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.node_pools import Shapes, machine_for
from infra.plan.types import Accelerator
from infra.platforms.aws.config import AwsSettings, ManagedNodes
from infra.platforms.aws.shapes import SHAPES
from infra.platforms.base import SiteRequest
from infra.platforms.gpu_shares import MIG_PARTS, GpuShares, Sharing, SharingMachines
from infra.platforms.gpu_shares import sharing_warnings as warnings
from infra.platforms.gpu_sharing import GpuSharing, MigSettings
from infra.problems import Problem

# What Bottlerocket calls GPUs that are divided, each machine in one way (its core kit, sources/nvidia-migmanager, read
# 2026-11).
MIG_NAMES: Mapping[str, str] = {
    "A100-40GB": "a100.40gb",
    "A100-80GB": "a100.80gb",
    "H100": "h100.80gb",
    "H200": "h200.141gb",
    "B200": "b200.180gb",
}
MACHINES = SharingMachines(
    cloud="aws",
    shapes=SHAPES,
    parts={name: MIG_PARTS[name] for name in MIG_NAMES},
    ways="`time_slices`, or `mig` with `image: bottlerocket`",
)


@dataclass(frozen=True, kw_only=True)
class SharedGpus(GpuShares):
    """With what Bottlerocket calls the `model` that has parts."""

    model: str | None = None


def shared_gpus(settings: AwsSettings, accelerator: str) -> SharedGpus | None:
    """How GPUs of such machines are shared; None where each is a replica's own."""
    shares = MACHINES.shares(_sharing(settings), accelerator)
    if shares is None:
        return None
    model = MIG_NAMES[accelerator] if shares.profile else None
    return SharedGpus(replicas=shares.replicas, profile=shares.profile, model=model)


def shared_by(settings: AwsSettings) -> dict[str, int]:
    """How many replicas share a GPU, by accelerator."""
    return MACHINES.shared_by(_sharing(settings))


def shapes(settings: AwsSettings) -> Shapes:
    """The machines; where GPUs are shared, those that have memory for all pods that share them."""
    return MACHINES.roomy(_sharing(settings))


def machine_of(settings: AwsSettings, accelerator: Accelerator | None) -> tuple[str, float]:
    """The machine that one replica runs on, and the part of it that is its own."""
    return machine_for(accelerator, shapes(settings), settings.processor_instance_type, shared_by(settings))


def sharing_problems(request: SiteRequest, where: str) -> Iterator[Problem]:
    """What machines cannot do, and replicas that do not fit beside one another."""
    settings: AwsSettings = request.settings

    def own(place: str, accelerator: str, wanted: GpuSharing) -> Iterator[Problem]:
        divides = isinstance(wanted, MigSettings) and accelerator in MIG_NAMES
        if divides and isinstance(settings.nodes, ManagedNodes) and settings.nodes.image != "bottlerocket":
            yield Problem(
                where=f"{place}.kind",
                found=f"`mig`, with `image: {settings.nodes.image}`, which does not divide GPUs at its start",
                allowed="`mig` with `image: bottlerocket`, or `time_slices`",
                remedy="write `image: bottlerocket`",
            )

    yield from MACHINES.problems(where, _sharing(settings), request.models, own)


def sharing_warnings(request: SiteRequest) -> Iterator[str]:
    """What is weaker than with a GPU of one's own."""
    yield from warnings(_sharing(request.settings), request.models)


def _sharing(settings: AwsSettings) -> Sharing:
    return settings.nodes.sharing if isinstance(settings.nodes, ManagedNodes) else {}
